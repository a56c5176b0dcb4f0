/** A volume without the batch: `[height, width, channels]`, `[features]`, or `[]` for a number. */
export type Shape = readonly number[];

/** What to do when the windows do not tile the padded volume: refuse, floor, or ceil. */
export type Fit = 'exact' | 'crop' | 'pad';
