import { device, type Device, type DeviceName } from '../runtime/device.js';
import type { Output } from './output.js';

interface DeviceOptions {
  device: DeviceName;
  threads?: number;
}

/** Opens the device of `--device` and `--threads` and says which it is. */
export async function openDevice(options: DeviceOptions, output: Output): Promise<Device> {
  const opened = await device(
    options.device,
    options.threads === undefined ? {} : { threads: options.threads },
  );
  output.note(`device ${opened.name}: ${opened.reason}`);
  return opened;
}
