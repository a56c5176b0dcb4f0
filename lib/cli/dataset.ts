import { fashionMnist, mnist, type TrainAndTest } from '../data/index.js';

/** What `--data` may name. */
export async function openData(name: string, dataDir: string | undefined): Promise<TrainAndTest> {
  const options = dataDir === undefined ? {} : { dataDir };
  return name === 'fashion-mnist' ? fashionMnist(options) : mnist(options);
}
