import type { Command } from 'commander';
import { device } from '../runtime/device.js';
import { addCommand, outputFor, type CommonOptions } from './command.js';

export function addDevices(program: Command): void {
  addCommand(program, 'devices', 'the devices that networks can run on').action(
    async (options: CommonOptions) => {
      await using cpu = await device('cpu');
      const { name, description, threads, instructionSet } = cpu;
      const entry = { name, description, threads, instructionSet };
      outputFor(options).result(
        { devices: [entry] },
        `${name}  ${description}, ${threads} threads, ${instructionSet}`,
      );
    },
  );
}
