// Streams, events and graphs of the emulated card.
//
// Work that is enqueued waits. It runs when the host asks for it, at the last moment that CUDA allows
// (`Timing::Late`), or at once (`Timing::Early`): a program that is right does not depend on it. Every
// operation carries a vector clock of what is known to have finished before it; two operations that
// touch the same bytes, one of them writing, without an order between them are a finding.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "emulator/include/runtime_api.h"

namespace striate::emulator {

enum class Timing { Late, Early };

// Device bytes that an operation reads or writes.
struct Touch {
  std::uintptr_t begin;
  std::uintptr_t end;
  bool writes;
};

// For each stream, the number of its operations that are known to be complete.
using Clock = std::vector<std::uint64_t>;

struct Operation {
  std::string name;
  std::function<cudaError_t()> run;
  std::vector<Touch> touches;
  Clock after;
  std::uint64_t number = 0;  // within its stream, from 1
};

}  // namespace striate::emulator

struct CUevent_st {
  bool recorded = false;
  CUstream_st* stream = nullptr;
  std::uint64_t number = 0;  // operations of the stream before the record
  striate::emulator::Clock clock;
  bool captured = false;
  std::vector<std::size_t> captureTail;  // nodes that the record stands behind
  CUstream_st* captureOrigin = nullptr;
};

struct CUgraph_st {
  struct Node {
    striate::emulator::Operation operation;
    std::vector<std::size_t> after;
  };
  std::vector<Node> nodes;
};

struct CUgraphExec_st {
  std::vector<CUgraph_st::Node> nodes;
};

struct CUstream_st {
  std::size_t index = 0;
  bool blocking = true;  // ordered with the legacy default stream
  bool destroyed = false;
  std::deque<striate::emulator::Operation> pending;
  striate::emulator::Clock known;  // what the next operation comes after
  std::uint64_t issued = 0;
  std::uint64_t completed = 0;
  // While capturing: the stream that began it, and the nodes that the next one follows.
  CUstream_st* captureOrigin = nullptr;
  std::unique_ptr<CUgraph_st> graph;  // of the origin
  bool captureInvalid = false;
  std::vector<std::size_t> captureTail;
};
