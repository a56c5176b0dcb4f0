/** One epoch over a folder of small images; prints the megabytes that are resident at its end. */
import * as data from '../lib/data/index.js';

const set = await data.imageFolder(process.argv[2]!, {
  size: 32,
  transforms: [data.randomResizedCrop(32), data.randomHorizontalFlip()],
});
let images = 0;
for await (const { n } of data.batches(set, { batch: 64, prefetch: 2 })) images += n;
if (images !== set.length) throw new Error(`${images} of ${set.length} images were read`);
(globalThis as { gc?: () => void }).gc?.();
process.stdout.write(String(process.memoryUsage().rss / 1e6));
