import type { Precision } from '../program/precision.js';
import { device, type Device, type DeviceName } from '../runtime/device.js';
import type { Output } from './output.js';

interface DeviceOptions {
  device: DeviceName;
  threads?: number;
  precision?: Precision;
}

/** Opens the device of `--device` and `--threads` and says which it is. */
export async function openDevice(options: DeviceOptions, output: Output): Promise<Device> {
  const { threads, precision } = options;
  const opened = await device(options.device, {
    ...(threads === undefined ? {} : { threads }),
    ...(precision === undefined ? {} : { precision }),
  });
  output.note(`device ${opened.name}: ${opened.reason}`);
  return opened;
}
