#include "emulator/runtime.h"

#include <algorithm>

#include "emulator/card.h"

namespace striate::emulator {

namespace {

void merge(Clock& into, const Clock& from) {
  if (into.size() < from.size()) into.resize(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) into[i] = std::max(into[i], from[i]);
}

void raise(Clock& clock, std::size_t stream, std::uint64_t number) {
  if (clock.size() <= stream) clock.resize(stream + 1);
  clock[stream] = std::max(clock[stream], number);
}

bool covers(const Clock& clock, std::size_t stream, std::uint64_t number) {
  return stream < clock.size() && clock[stream] >= number;
}

bool overlap(const Touch& a, const Touch& b) {
  return a.begin < b.end && b.begin < a.end && (a.writes || b.writes);
}

void poison(const Overwritten& o) {
  for (std::uint64_t row = 0; row < o.rows; ++row) {
    const auto* p = reinterpret_cast<const void*>(o.begin + row * o.pitch);
    Allocation* a = card().memory.find(p);
    if (a == nullptr || a->freed || a->offset(p) + o.rowBytes > a->bytes)
      return;  // the access itself is the finding
    a->shadow->poison(a->offset(p), o.rowBytes);
  }
}

}  // namespace

Runtime& Runtime::instance() {
  static Runtime runtime;
  return runtime;
}

Runtime::Runtime() { streams_.push_back(std::make_unique<CUstream_st>()); }

CUstream_st* Runtime::resolve(cudaStream_t stream) {
  if (stream == nullptr) return streams_[0].get();
  for (const auto& s : streams_)
    if (s.get() == stream && !s->destroyed) return s.get();
  return nullptr;
}

CUstream_st* Runtime::createStream(bool blocking) {
  streams_.push_back(std::make_unique<CUstream_st>());
  CUstream_st* s = streams_.back().get();
  s->index = streams_.size() - 1;
  s->blocking = blocking;
  s->known = host_;
  return s;
}

cudaError_t Runtime::destroyStream(CUstream_st* stream) {
  const cudaError_t error = wait(stream);
  stream->destroyed = true;
  return error;
}

cudaError_t Runtime::fail(cudaError_t error) {
  if (error != cudaSuccess) last = error;
  return error;
}

cudaError_t Runtime::failSticky(cudaError_t error) {
  sticky = last = error;
  return error;
}

cudaError_t Runtime::refuseInCapture() {
  for (const auto& s : streams_)
    if (s->captureOrigin == s.get()) s->captureInvalid = true;
  return fail(cudaErrorStreamCaptureUnsupported);
}

cudaError_t Runtime::enqueue(CUstream_st* stream, Operation operation) {
  if (sticky != cudaSuccess) return sticky;
  if (!overwritten.empty()) {
    operation.run = [stale = std::move(overwritten), run = std::move(operation.run)] {
      for (const Overwritten& o : stale) poison(o);
      return run();
    };
    overwritten.clear();
  }
  if (stream->captureOrigin != nullptr) {
    CUstream_st* origin = stream->captureOrigin;
    CUgraph_st& graph = *origin->graph;
    graph.nodes.push_back({std::move(operation), stream->captureTail});
    stream->captureTail = {graph.nodes.size() - 1};
    return cudaSuccess;
  }
  if (stream->index == 0 && capturing()) return refuseInCapture();
  // The legacy default stream waits for the blocking streams, and they for it.
  for (const auto& other : streams_) {
    if (other.get() == stream || other->destroyed) continue;
    const bool implicit =
        (stream->index == 0 && other->blocking) || (stream->blocking && other->index == 0);
    if (implicit) {
      merge(stream->known, other->known);
      raise(stream->known, other->index, other->issued);
    }
  }
  merge(stream->known, host_);
  operation.number = ++stream->issued;
  operation.after = stream->known;
  raise(stream->known, stream->index, operation.number);
  stream->pending.push_back(std::move(operation));
  if (timing == Timing::Early) drain(stream, stream->issued);
  return sticky;
}

void Runtime::drain(CUstream_st* stream, std::uint64_t number) {
  while (stream->completed < number && !stream->pending.empty()) {
    Operation operation = std::move(stream->pending.front());
    stream->pending.pop_front();
    for (std::size_t s = 0; s < operation.after.size(); ++s)
      if (s != stream->index) drain(streams_[s].get(), operation.after[s]);
    execute(stream, operation);
    stream->completed = operation.number;
  }
}

void Runtime::execute(CUstream_st* stream, Operation& operation) {
  if (sticky != cudaSuccess) return;  // a lost context runs nothing more
  try {
    requireOrder(*stream, operation);
    const cudaError_t error = operation.run();
    if (error != cudaSuccess) failSticky(error);
  } catch (const FindingError& e) {
    finding = e.finding.text();
    const bool address = e.finding.kind == FindingKind::Misaligned ||
                         e.finding.kind == FindingKind::OutOfBounds ||
                         e.finding.kind == FindingKind::UseAfterFree;
    failSticky(address ? cudaErrorIllegalAddress : cudaErrorLaunchFailure);
  }
  for (const Touch& t : operation.touches)
    accesses_.push_back({t, stream->index, operation.number, operation.name});
}

void Runtime::requireOrder(const CUstream_st& stream, const Operation& operation) {
  for (const Touch& t : operation.touches)
    for (const Access& a : accesses_)
      if (a.stream != stream.index && overlap(t, a.touch) &&
          !covers(operation.after, a.stream, a.number))
        throw FindingError{
            {FindingKind::MissingStreamOrder,
             operation.name,
             {0, 0, 0},
             {0, 0, 0},
             "touches the bytes of '" + a.name + "' on another stream without an event between"}};
}

cudaError_t Runtime::waitUpTo(CUstream_st* stream, std::uint64_t number) {
  drain(stream, number);
  raise(host_, stream->index, number);
  forgetOrdered();
  return sticky;
}

// An access that the host has waited for comes before all that is issued from now on; it must be kept
// while an operation is pending that was issued without knowing of it.
void Runtime::forgetOrdered() {
  const auto needed = [&](const Access& a) {
    if (!covers(host_, a.stream, a.number)) return true;
    return std::any_of(streams_.begin(), streams_.end(), [&](const auto& s) {
      return !s->pending.empty() && !covers(s->pending.front().after, a.stream, a.number);
    });
  };
  accesses_.erase(std::remove_if(accesses_.begin(), accesses_.end(),
                                 [&](const Access& a) { return !needed(a); }),
                  accesses_.end());
}

cudaError_t Runtime::wait(CUstream_st* stream) {
  merge(host_, stream->known);
  return waitUpTo(stream, stream->issued);
}

cudaError_t Runtime::waitAll() {
  // Backwards, so that the order between streams rests on events alone.
  for (auto s = streams_.rbegin(); s != streams_.rend(); ++s)
    if (!(*s)->destroyed) wait(s->get());
  return sticky;
}

cudaError_t Runtime::record(CUevent_st* event, CUstream_st* stream) {
  if (sticky != cudaSuccess) return sticky;
  event->captured = stream->captureOrigin != nullptr;
  event->captureOrigin = stream->captureOrigin;
  event->captureTail = stream->captureTail;
  event->recorded = true;
  event->stream = stream;
  event->number = stream->issued;
  event->clock = stream->known;
  return cudaSuccess;
}

cudaError_t Runtime::waitEvent(CUstream_st* stream, CUevent_st* event) {
  if (sticky != cudaSuccess) return sticky;
  if (!event->recorded) return cudaSuccess;
  if (event->captured) {
    if (stream->captureOrigin == nullptr) stream->captureOrigin = event->captureOrigin;
    if (stream->captureOrigin != event->captureOrigin) return fail(cudaErrorStreamCaptureImplicit);
    for (const std::size_t node : event->captureTail)
      if (std::find(stream->captureTail.begin(), stream->captureTail.end(), node) ==
          stream->captureTail.end())
        stream->captureTail.push_back(node);
    return cudaSuccess;
  }
  if (stream->captureOrigin != nullptr) return refuseInCapture();
  merge(stream->known, event->clock);
  raise(stream->known, event->stream->index, event->number);
  return cudaSuccess;
}

cudaError_t Runtime::beginCapture(CUstream_st* stream) {
  if (sticky != cudaSuccess) return sticky;
  if (stream->index == 0 || stream->captureOrigin != nullptr)
    return fail(cudaErrorStreamCaptureUnsupported);
  stream->captureOrigin = stream;
  stream->graph = std::make_unique<CUgraph_st>();
  stream->captureInvalid = false;
  stream->captureTail.clear();
  ++captures_;
  return cudaSuccess;
}

cudaError_t Runtime::endCapture(CUstream_st* stream, CUgraph_st** graph) {
  *graph = nullptr;
  if (stream->captureOrigin != stream) return fail(cudaErrorIllegalState);
  // A stream that joined must have been joined back: its tail must be an ancestor of the origin's.
  std::vector<bool> reached(stream->graph->nodes.size(), false);
  std::vector<std::size_t> stack = stream->captureTail;
  while (!stack.empty()) {
    const std::size_t node = stack.back();
    stack.pop_back();
    if (reached[node]) continue;
    reached[node] = true;
    for (const std::size_t before : stream->graph->nodes[node].after) stack.push_back(before);
  }
  bool joined = true;
  for (const auto& other : streams_) {
    if (other->captureOrigin != stream || other.get() == stream) continue;
    for (const std::size_t node : other->captureTail) joined = joined && reached[node];
    other->captureOrigin = nullptr;
    other->captureTail.clear();
  }
  auto captured = std::move(stream->graph);
  stream->captureOrigin = nullptr;
  stream->captureTail.clear();
  --captures_;
  if (stream->captureInvalid) return fail(cudaErrorStreamCaptureInvalidated);
  if (!joined) return fail(cudaErrorStreamCaptureUnjoined);
  *graph = captured.release();
  return cudaSuccess;
}

cudaError_t Runtime::launchGraph(const CUgraphExec_st& exec, CUstream_st* stream) {
  ++counts.graphLaunches;
  // Any order that respects the edges is right; the schedule picks the first or the last ready node.
  const auto nodes = std::make_shared<std::vector<CUgraph_st::Node>>(exec.nodes);
  latestGraph.clear();
  for (const auto& node : *nodes) latestGraph.push_back(node.operation.name);
  Operation launch;
  launch.name = "graph of " + std::to_string(nodes->size()) + " nodes";
  for (const auto& node : *nodes)
    launch.touches.insert(launch.touches.end(), node.operation.touches.begin(),
                          node.operation.touches.end());
  launch.run = [this, nodes] {
    std::vector<bool> done(nodes->size(), false);
    for (std::size_t left = nodes->size(); left > 0; --left) {
      std::size_t chosen = nodes->size();
      for (std::size_t i = 0; i < nodes->size(); ++i) {
        if (done[i]) continue;
        const auto& after = (*nodes)[i].after;
        if (!std::all_of(after.begin(), after.end(), [&](std::size_t n) { return done[n]; }))
          continue;
        chosen = i;
        if (schedule.order == Schedule::Order::Forward) break;
      }
      if (const cudaError_t error = (*nodes)[chosen].operation.run(); error != cudaSuccess)
        return error;
      done[chosen] = true;
    }
    return cudaSuccess;
  };
  return enqueue(stream, std::move(launch));
}

}  // namespace striate::emulator
