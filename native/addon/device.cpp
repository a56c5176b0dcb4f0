#include "addon/device.h"

#include "addon/arguments.h"
#include "addon/buffer.h"
#include "addon/executable.h"
#include "cpu/device/cpu_device.h"
#include "runtime/executable.h"
#include "runtime/plugin_device.h"

namespace striate::addon {

namespace {

constexpr int kMaxThreads = 1024, kMaxDevices = 1023;
constexpr std::size_t kMaxPath = 4096;

Napi::Number number(Napi::Env env, std::size_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

// One eager op.
class ExecuteJob final : public Job {
 public:
  using Job::Job;

  const OpEntry* op = nullptr;
  std::vector<std::uint8_t> attributes;
  View views[kMaxOperands];
  Control control;

  void run() override {
    Device& device = this->device().running();
    device.setControl(control);
    try {
      device.execute(*op, attributes.data(), views, op->info->name);
    } catch (const Error& error) {
      throw Error(error.code(), std::string(op->info->name) + ": " + error.what());
    }
    device.synchronize();
  }
};

class CloseJob final : public Job {
 public:
  using Job::Job;
  void run() override { device().releaseAll(); }
  Napi::Value result(Napi::Env env) override {
    device().shutDown();
    return env.Undefined();
  }
};

View operandView(const Napi::Value& value, const OpenDevice& device) {
  const Napi::Object fields = object(value, "an operand");
  const auto block = BufferWrap::block(fields.Get("buffer"), device, "an operand's buffer");
  View view;
  view.dtype = dtype(fields.Get("dtype"));
  view.access = access(fields.Get("access"));
  view.rank = extents(fields.Get("size"), view.size);
  view.pitch = integer(fields.Get("pitch"), "pitch", 1, kMaxSafeInteger);
  if (view.rank < 2) view.pitch = view.channels();
  const std::int64_t offset = integer(fields.Get("byteOffset"), "byteOffset", 0, kMaxSafeInteger);
  const std::int64_t length = viewBytes(view), available = static_cast<std::int64_t>(block->bytes);
  if (length > available || offset > available - length)
    throw Error(ErrorCode::InvalidArgument,
                "an operand reaches beyond its buffer: " + std::to_string(length) + " bytes at " +
                    std::to_string(offset) + " of " + std::to_string(available));
  requireArgument(offset % sizeOf(view.dtype) == 0,
                  "an operand's byteOffset is a multiple of its element size");
  view.data = block->data + offset;
  return view;
}

std::unique_ptr<Device> makeDevice(const Napi::Object& options) {
  const std::string kind = text(options.Get("kind"), "kind", 16);
  if (kind == "plugin")
    return openPluginDevice(
        text(options.Get("path"), "path", kMaxPath),
        static_cast<int>(integer(options.Get("index"), "index", 0, kMaxDevices)));
  if (kind != "cpu")
    throw Error(ErrorCode::DeviceUnavailable, "this build has two kinds of device: cpu and plugin");
  cpu::CpuOptions cpu;
  cpu.threads = static_cast<int>(integer(options.Get("threads"), "threads", 0, kMaxThreads));
  cpu.instructionSet = text(options.Get("instructionSet"), "instructionSet", 32);
  return cpu::makeCpuDevice(cpu);
}

}  // namespace

Napi::Function DeviceWrap::define(Napi::Env env) {
  return DefineClass(
      env, "NativeDevice",
      {expose<&DeviceWrap::info>("info"), expose<&DeviceWrap::memory>("memory"),
       expose<&DeviceWrap::allocate>("allocate"), expose<&DeviceWrap::execute>("execute"),
       expose<&DeviceWrap::createExecutable>("createExecutable"),
       expose<&DeviceWrap::synchronize>("synchronize"), expose<&DeviceWrap::close>("close"),
       exposeGetter<&DeviceWrap::closed>("closed")});
}

Napi::Value DeviceWrap::create(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guard(env, [&] {
    const Napi::Object options = object(info[0], "options");
    const std::int64_t limit =
        integer(options.Get("memoryLimit"), "memoryLimit", 0, kMaxSafeInteger);
    auto device =
        std::make_shared<OpenDevice>(makeDevice(options), static_cast<std::size_t>(limit));
    State::of(env).add(device);
    return make(env, State::of(env).deviceClass, device);
  });
}

DeviceWrap::DeviceWrap(const Napi::CallbackInfo& info)
    : Wrap(info), device_(payload<std::shared_ptr<OpenDevice>>(info)) {}

Napi::Value DeviceWrap::info(const Napi::CallbackInfo& info) {
  const DeviceInfo& facts = device_->device().info();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("kind", facts.kind);
  result.Set("name", facts.name);
  result.Set("threads", facts.threads);
  result.Set("instructionSet", facts.instructionSet);
  result.Set("details", facts.details);
  return result;
}

Napi::Value DeviceWrap::memory(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const MemoryAccount::Report report = device_->memory().report();
  Napi::Object categories = Napi::Object::New(env);
  for (const auto& [category, entry] : report.categories) {
    Napi::Object item = Napi::Object::New(env);
    item.Set("bytes", number(env, entry.bytes));
    item.Set("blocks", number(env, entry.blocks));
    categories.Set(category, item);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("categories", categories);
  result.Set("allocated", number(env, report.allocated));
  result.Set("peak", number(env, report.peak));
  result.Set("blocks", number(env, report.blocks));
  result.Set("limit", number(env, report.limit));
  if (const auto room = device_->closed() ? std::nullopt : device_->running().room()) {
    result.Set("free", number(env, room->free));
    result.Set("total", number(env, room->total));
  }
  return result;
}

Napi::Value DeviceWrap::allocate(const Napi::CallbackInfo& info) {
  const std::int64_t bytes = integer(info[0], "bytes", 1, kMaxSafeInteger);
  const std::string category = text(info[1], "category", 64);
  return BufferWrap::make(info.Env(), device_,
                          device_->allocate(static_cast<std::size_t>(bytes), category));
}

Napi::Value DeviceWrap::execute(const Napi::CallbackInfo& info) {
  device_->device();
  auto job = std::make_unique<ExecuteJob>(info.Env(), device_);
  const std::int64_t last = static_cast<std::int64_t>(registry().size()) - 1;
  job->op = &registry()[static_cast<std::size_t>(integer(info[0], "op", 0, last))];
  const Bytes attributes = bytes(info[1], "attributes");
  const auto* data = static_cast<const std::uint8_t*>(attributes.data);
  job->attributes.assign(data, data + attributes.size);
  requireArgument(attributes.size == job->op->family->attributesSize,
                  "the attributes have the size that the op's header states");
  const Napi::Array operands = array(info[2], "operands", kMaxOperands);
  requireArgument(static_cast<int>(operands.Length()) == operandCount(*job->op->info),
                  "there is an entry for every operand of the op");
  for (std::uint32_t i = 0; i < operands.Length(); ++i) {
    const Napi::Value operand = operands.Get(i);
    if (!isNothing(operand)) job->views[i] = operandView(operand, *device_);
  }
  job->control = control(info[3]);
  checkCall(*job->op, job->attributes.data(), job->views);
  device_->device().check(*job->op, job->attributes.data(), job->views);
  return State::of(info.Env()).submit(info.Env(), std::move(job));
}

Napi::Value DeviceWrap::createExecutable(const Napi::CallbackInfo& info) {
  return ExecutableWrap::create(info.Env(), device_, info[0]);
}

Napi::Value DeviceWrap::synchronize(const Napi::CallbackInfo& info) {
  device_->device();
  return State::of(info.Env()).submit(info.Env(), std::make_unique<Job>(info.Env(), device_));
}

Napi::Value DeviceWrap::close(const Napi::CallbackInfo& info) {
  if (!closing_.IsEmpty()) return closing_.Value();
  auto job = std::make_unique<CloseJob>(info.Env(), device_);
  device_->refuse();
  const Napi::Value promise = State::of(info.Env()).submit(info.Env(), std::move(job));
  closing_ = Napi::Reference<Napi::Promise>::New(promise.As<Napi::Promise>(), 1);
  return promise;
}

Napi::Value DeviceWrap::closed(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), device_->closed());
}

}  // namespace striate::addon
