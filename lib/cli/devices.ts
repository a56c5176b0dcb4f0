import type { Command } from 'commander';
import { devices, type DeviceListing } from '../runtime/device.js';
import { addCommand, outputFor, type CommonOptions } from './command.js';

export function addDevices(program: Command): void {
  addCommand(program, 'devices', 'the devices that networks can run on').action(
    (options: CommonOptions) => {
      const found = devices();
      outputFor(options).result({ devices: found }, found.map(describe).join('\n'));
    },
  );
}

function describe({ name, available, description, cores, instructionSets }: DeviceListing): string {
  const column = name.padEnd(15);
  if (!available) return `${column}not available: ${description}`;
  if (name !== 'cpu') return `${column}${description}`;
  return `${column}${description}, ${cores ?? 1} cores, ${(instructionSets ?? []).join(' ')}`;
}
