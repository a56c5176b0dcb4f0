export { architecture, printNetwork, type ArchitectureOptions } from './build.js';
export { parseArchitecture } from './parse.js';
export { printArchitecture } from './print.js';
export type { Architecture, Binding, Group, Item, Term } from './syntax.js';
