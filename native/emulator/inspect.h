// What tests ask of the emulated card and change on it, as text.
#pragma once

namespace striate::emulator {

// Carries out a command and gives its answer, valid until this thread's next call; null for an unknown one.
//
//   counts                      JSON of Counts, of the card's blocks and bytes, and of the latest finding
//   kernels                     JSON list of LaunchCount, by kernel
//   graph                       JSON list: the names of the nodes of the latest graph launch
//   counting 0|1                whether launches are counted; 1 starts from zero
//   schedule forward|reverse    the order of threads and blocks
//   schedule shuffled SEED
//   timing late|early           when enqueued work runs
//   fault allocation N          the N-th allocation from now on fails (0: none)
//   fault launch N              the N-th launch from now on fails
//   fault sticky 0|1            whether a failing launch breaks the context
//   capacity BYTES              of the card's memory
const char* inspect(const char* command);

}  // namespace striate::emulator
