#include "emulator/inspect.h"

#include <optional>
#include <sstream>
#include <string>

#include "emulator/card.h"
#include "emulator/runtime.h"

namespace striate::emulator {

namespace {

Runtime& runtime() { return Runtime::instance(); }

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

template <class List, class F>
std::string list(const List& items, F&& each) {
  std::string out = "[";
  for (const auto& item : items) out += (out.size() > 1 ? "," : "") + each(item);
  return out + "]";
}

std::string counts() {
  const Counts& c = runtime().counts;
  std::ostringstream out;
  out << "{\"allocations\":" << c.allocations << ",\"frees\":" << c.frees
      << ",\"hostAllocations\":" << c.hostAllocations
      << ",\"synchronizations\":" << c.synchronizations << ",\"launches\":" << c.launches
      << ",\"graphLaunches\":" << c.graphLaunches << ",\"copies\":" << c.copies
      << ",\"blasCalls\":" << c.blasCalls << ",\"blocks\":" << card().memory.blocks()
      << ",\"bytes\":" << card().memory.used() << ",\"pinnedBlocks\":" << runtime().pinnedBlocks()
      << ",\"finding\":" << quoted(runtime().finding) << "}";
  return out.str();
}

std::string kernels() {
  return list(runtime().kernels, [](const auto& entry) {
    const LaunchCount& k = entry.second;
    std::ostringstream out;
    out << "{\"kernel\":" << quoted(k.kernel) << ",\"launches\":" << k.launches
        << ",\"warpAccesses\":" << k.warpAccesses << ",\"sectors\":" << k.sectors
        << ",\"perfectSectors\":" << k.perfectSectors << ",\"uniqueReads\":" << k.uniqueReads
        << ",\"uniqueWrites\":" << k.uniqueWrites << ",\"readFootprint\":" << k.readFootprint
        << ",\"writeFootprint\":" << k.writeFootprint << ",\"bytes\":" << k.bytes
        << ",\"bankConflicts\":" << k.bankConflicts << ",\"barriers\":" << k.barriers << "}";
    return out.str();
  });
}

bool setSchedule(std::istringstream& words) {
  std::string order;
  std::uint64_t seed = 0;
  words >> order >> seed;
  if (order == "forward")
    runtime().schedule = {Schedule::Order::Forward, 0};
  else if (order == "reverse")
    runtime().schedule = {Schedule::Order::Reverse, 0};
  else if (order == "shuffled")
    runtime().schedule = {Schedule::Order::Shuffled, seed};
  else
    return false;
  return true;
}

bool setFault(std::istringstream& words) {
  std::string kind;
  std::uint64_t n = 0;
  words >> kind >> n;
  Faults& faults = runtime().faults;
  if (kind == "allocation")
    faults.allocation = n;
  else if (kind == "launch")
    faults.launch = n;
  else if (kind == "sticky")
    faults.sticky = n != 0;
  else
    return false;
  return true;
}

bool setTiming(std::istringstream& words) {
  std::string when;
  words >> when;
  if (when != "late" && when != "early") return false;
  runtime().timing = when == "late" ? Timing::Late : Timing::Early;
  return true;
}

std::optional<std::string> answer(const std::string& command) {
  std::istringstream words(command);
  std::string verb;
  words >> verb;
  const auto done = [](bool known) {
    return known ? std::optional<std::string>("") : std::nullopt;
  };
  if (verb == "counts") return counts();
  if (verb == "kernels") return kernels();
  if (verb == "graph") return list(runtime().latestGraph, quoted);
  if (verb == "schedule") return done(setSchedule(words));
  if (verb == "timing") return done(setTiming(words));
  if (verb == "fault") return done(setFault(words));
  std::uint64_t value = 0;
  if (!(words >> value)) return std::nullopt;
  if (verb == "counting") {
    runtime().counting = value != 0;
    if (value != 0) runtime().kernels.clear();
    return "";
  }
  if (verb == "capacity") {
    card().memory.setCapacity(value);
    return "";
  }
  return std::nullopt;
}

}  // namespace

const char* inspect(const char* command) {
  static thread_local std::string kept;
  std::lock_guard<std::recursive_mutex> lock(runtime().mutex);
  const std::optional<std::string> text = answer(command);
  if (!text) return nullptr;
  kept = *text;
  return kept.c_str();
}

}  // namespace striate::emulator
