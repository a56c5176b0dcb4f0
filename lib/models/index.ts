export { lenet, type LenetOptions } from './lenet.js';
