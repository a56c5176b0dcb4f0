#include "runtime/plugin_device.h"

#include <dlfcn.h>

#include <cstddef>
#include <exception>
#include <map>
#include <mutex>

#include "ops/fingerprint.h"
#include "runtime/error.h"
#include "runtime/plugin.h"

namespace striate {

namespace {

static_assert(sizeof(StriateView) == sizeof(View) &&
                  offsetof(StriateView, data) == offsetof(View, data) &&
                  offsetof(StriateView, dtype) == offsetof(View, dtype) &&
                  offsetof(StriateView, access) == offsetof(View, access) &&
                  offsetof(StriateView, rank) == offsetof(View, rank) &&
                  offsetof(StriateView, size) == offsetof(View, size) &&
                  offsetof(StriateView, pitch) == offsetof(View, pitch),
              "a view crosses the border as it is");
static_assert(sizeof(StriateControl) == sizeof(Control) &&
                  offsetof(StriateControl, seed) == offsetof(Control, seed) &&
                  offsetof(StriateControl, lossScale) == offsetof(Control, lossScale) &&
                  offsetof(StriateControl, commit) == offsetof(Control, commit),
              "the control block crosses the border as it is");

[[noreturn]] void unavailable(const std::string& path, const std::string& why) {
  throw Error(ErrorCode::DeviceUnavailable, path + ": " + why);
}

// Libraries stay open for the life of the process: work of theirs may still be under way.
const StriatePlugin& openPlugin(const std::string& path) {
  static std::mutex mutex;
  static auto& opened = *new std::map<std::string, const StriatePlugin*>();
  std::lock_guard<std::mutex> lock(mutex);
  const auto known = opened.find(path);
  if (known != opened.end()) return *known->second;
  if (path.empty() || path[0] != '/') unavailable(path, "the path of a device library is absolute");
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    unavailable(path, reason == nullptr ? "cannot be opened" : reason);
  }
  const auto refuse = [&](const std::string& why) {
    dlclose(library);
    unavailable(path, why);
  };
  using Entry = const StriatePlugin* (*)(std::uint32_t);
  const auto entry = reinterpret_cast<Entry>(dlsym(library, STRIATE_PLUGIN_ENTRY));
  if (entry == nullptr) refuse("is no device library of striate");
  const StriatePlugin* plugin = entry(STRIATE_PLUGIN_VERSION);
  const std::string ours = std::to_string(STRIATE_PLUGIN_VERSION);
  if (plugin == nullptr) refuse("does not speak version " + ours + " of the device interface");
  if (plugin->version != STRIATE_PLUGIN_VERSION)
    refuse("speaks version " + std::to_string(plugin->version) +
           " of the device interface, this build speaks " + ours);
  if (plugin->size != sizeof(StriatePlugin))
    refuse("has another form of the device interface than this build");
  if (plugin->opsFingerprint != opsFingerprint())
    refuse("was built with other ops than this build");
  opened.emplace(path, plugin);
  return *plugin;
}

void require(StriateCode code, const StriateMessage& message) {
  if (code != 0) throw Error(static_cast<ErrorCode>(code - 1), message.text);
}

class PluginDevice final : public Device {
 public:
  PluginDevice(const std::string& path, int index) : plugin_(openPlugin(path)) {
    call(plugin_.open, index, &device_);
    StriateDeviceFacts facts;
    plugin_.facts(device_, &facts);
    info_.kind = facts.kind;
    info_.name = facts.name;
    info_.instructionSet = facts.architecture;
    info_.details = facts.details;
    info_.ownBytes = facts.ownBytes;
  }
  ~PluginDevice() override { plugin_.close(device_); }

  const DeviceInfo& info() const override { return info_; }

  void* allocate(std::size_t bytes, MemoryKind kind) override {
    void* data = nullptr;
    call(plugin_.allocate, device_, bytes,
         kind == MemoryKind::Eager ? STRIATE_MEMORY_EAGER : STRIATE_MEMORY_PLANNED, &data);
    return data;
  }
  void release(void* data, std::size_t) noexcept override { plugin_.release(device_, data); }
  std::optional<Room> room() override {
    std::uint64_t free = 0, total = 0;
    StriateMessage message;
    // A device that is lost has no count, and an account of its own all the same.
    if (plugin_.memory(device_, &free, &total, &message) != 0) return std::nullopt;
    return Room{static_cast<std::size_t>(free), static_cast<std::size_t>(total)};
  }

  void prepareStaging(void* slot, std::size_t bytes) override {
    call(plugin_.prepareStaging, device_, slot, bytes);
  }
  void stage(void* to, const void* from, std::size_t bytes) override {
    call(plugin_.stage, device_, to, from, bytes);
  }
  void upload(void* to, const void* from, std::size_t bytes) override {
    call(plugin_.upload, device_, to, from, bytes);
  }
  void download(void* to, const void* from, std::size_t bytes) override {
    call(plugin_.download, device_, to, from, bytes);
  }
  void fill(void* to, int value, std::size_t bytes) override {
    call(plugin_.fill, device_, to, value, bytes);
  }

  void check(const OpEntry& op, const void* attributes, const View* views) override {
    const StriateOp number = numbered(op);
    call(plugin_.check, device_, &number, attributes, across(views));
  }
  void setControl(const Control& control) override {
    call(plugin_.setControl, device_, reinterpret_cast<const StriateControl*>(&control));
  }
  Control control() override {
    Control control;
    call(plugin_.control, device_, reinterpret_cast<StriateControl*>(&control));
    return control;
  }
  void execute(const OpEntry& op, const void* attributes, const View* views,
               const char* label) override {
    const StriateOp number = numbered(op);
    call(plugin_.execute, device_, &number, attributes, across(views), label);
  }
  void synchronize() override { call(plugin_.synchronize, device_); }

  Control run(const Sequence& s, const Control& control, const Issue& issue) override {
    readbacks_.clear();
    for (const Readback& r : s.readbacks) readbacks_.push_back({r.to, r.from, r.bytes});
    const StriateSequence sequence{sizeof(StriateSequence),
                                   s.slot,
                                   s.owner,
                                   s.n,
                                   s.begin,
                                   s.end,
                                   s.slotData,
                                   s.times,
                                   readbacks_.data(),
                                   readbacks_.size()};
    std::int32_t mustIssue = 1;
    call(plugin_.begin, device_, &sequence, reinterpret_cast<const StriateControl*>(&control),
         &mustIssue);
    if (mustIssue != 0) {
      try {
        for (std::size_t i = s.begin; i < s.end; ++i) issue(i);
      } catch (...) {
        plugin_.cancel(device_);
        throw;
      }
    }
    Control after;
    call(plugin_.end, device_, &sequence, reinterpret_cast<StriateControl*>(&after));
    return after;
  }
  void forget(std::uint64_t owner) noexcept override { plugin_.forget(device_, owner); }

 private:
  template <class... Parameters, class... Arguments>
  void call(StriateCode (*function)(Parameters...), Arguments... arguments) const {
    StriateMessage message;
    message.text[0] = 0;
    require(function(arguments..., &message), message);
  }
  static StriateOp numbered(const OpEntry& op) { return {op.familyIndex, op.op, op.info->name}; }
  static const StriateView* across(const View* views) {
    return reinterpret_cast<const StriateView*>(views);
  }

  const StriatePlugin& plugin_;
  void* device_ = nullptr;
  DeviceInfo info_;
  std::vector<StriateReadback> readbacks_;
};

}  // namespace

PluginFacts describePlugin(const std::string& path) {
  const StriatePlugin& plugin = openPlugin(path);
  PluginFacts facts;
  facts.packageVersion = plugin.packageVersion;
  facts.sourceHash = plugin.sourceHash;
  std::int32_t count = 0;
  StriateMessage message;
  message.text[0] = 0;
  if (plugin.deviceCount(&count, &message) != 0) facts.failure = message.text;
  facts.devices = count;
  return facts;
}

std::unique_ptr<Device> openPluginDevice(const std::string& path, int index) {
  return std::make_unique<PluginDevice>(path, index);
}

std::string inspectPlugin(const std::string& path, const std::string& command) {
  const StriatePlugin& plugin = openPlugin(path);
  const char* answer = plugin.inspect == nullptr ? nullptr : plugin.inspect(command.c_str());
  if (answer == nullptr)
    throw Error(ErrorCode::InvalidArgument, path + " knows no command '" + command + "'");
  return answer;
}

}  // namespace striate
