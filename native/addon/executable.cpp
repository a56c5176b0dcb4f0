#include "addon/executable.h"

#include "addon/arguments.h"
#include "addon/buffer.h"

namespace striate::addon {

namespace {

constexpr std::uint32_t kMaxRegions = 256, kMaxPorts = 4096, kMaxInstructions = 1u << 20;
constexpr std::int64_t kMaxBatch = std::int64_t(1) << 31;

Extent extent(const Napi::Object& fields) {
  return {integer(fields.Get("fixed"), "fixed", 0, kMaxSafeInteger),
          integer(fields.Get("perImage"), "perImage", 0, kMaxSafeInteger)};
}

PlannedOperand plannedOperand(const Napi::Value& value) {
  PlannedOperand operand;
  if (isNothing(value)) return operand;
  const Napi::Object fields = object(value, "an operand");
  operand.region = static_cast<int>(integer(fields.Get("region"), "region", 0, kMaxRegions));
  operand.byteOffset = integer(fields.Get("byteOffset"), "byteOffset", 0, kMaxSafeInteger);
  operand.dtype = dtype(fields.Get("dtype"));
  operand.access = access(fields.Get("access"));
  operand.rank = extents(fields.Get("size"), operand.size);
  operand.batched = boolean(fields.Get("batched"), "batched");
  operand.pitch = integer(fields.Get("pitch"), "pitch", 1, kMaxSafeInteger);
  return operand;
}

PlannedInstruction plannedInstruction(const Napi::Value& value) {
  const Napi::Object fields = object(value, "an instruction");
  PlannedInstruction instruction;
  instruction.op = static_cast<int>(integer(fields.Get("op"), "op", 0, INT32_MAX));
  instruction.label = text(fields.Get("label"), "label", 1024);
  const Bytes attributes = bytes(fields.Get("attributes"), "attributes");
  const auto* data = static_cast<const std::uint8_t*>(attributes.data);
  instruction.attributes.assign(data, data + attributes.size);
  const Napi::Array operands = array(fields.Get("operands"), "operands", kMaxOperands);
  for (std::uint32_t i = 0; i < operands.Length(); ++i)
    instruction.operands.push_back(plannedOperand(operands.Get(i)));
  return instruction;
}

// `buffers` receives the JavaScript objects of all the memory.
ExecutableDescription plannedExecutable(const Napi::Value& value, const OpenDevice& device,
                                        std::vector<Napi::Object>& buffers) {
  const Napi::Env env = value.Env();
  const auto block = [&](const Napi::Value& buffer, const char* name) {
    auto found = BufferWrap::block(buffer, device, name);
    buffers.push_back(buffer.As<Napi::Object>());
    return found;
  };
  const Napi::Object fields = object(value, "the description");
  ExecutableDescription description;
  description.batch = integer(fields.Get("batch"), "batch", 1, kMaxBatch);
  const Napi::Array regions = array(fields.Get("regions"), "regions", kMaxRegions);
  for (std::uint32_t i = 0; i < regions.Length(); ++i) {
    const Napi::Value region = regions.Get(i);
    description.regions.push_back(isNothing(region) ? nullptr : block(region, "a region"));
  }
  description.inputRegion =
      static_cast<int>(integer(fields.Get("inputRegion"), "inputRegion", -1, kMaxRegions));
  const Napi::Value slots = fields.Get("slots");
  if (!isNothing(slots)) {
    const Napi::Array pair = array(slots, "slots", 2);
    requireArgument(pair.Length() == 2, "there are two slots or none");
    for (std::uint32_t i = 0; i < 2; ++i) description.slots[i] = block(pair.Get(i), "a slot");
  }
  const Napi::Array instructions =
      array(fields.Get("instructions"), "instructions", kMaxInstructions);
  for (std::uint32_t i = 0; i < instructions.Length(); ++i) {
    const Napi::HandleScope scope(env);
    description.instructions.push_back(plannedInstruction(instructions.Get(i)));
  }
  const Napi::Array inputs = array(fields.Get("inputs"), "inputs", kMaxPorts);
  for (std::uint32_t i = 0; i < inputs.Length(); ++i) {
    const Napi::Object input = object(inputs.Get(i), "an input");
    description.inputs.push_back(
        {integer(input.Get("byteOffset"), "byteOffset", 0, kMaxSafeInteger), extent(input)});
  }
  const Napi::Array outputs = array(fields.Get("outputs"), "outputs", kMaxPorts);
  for (std::uint32_t i = 0; i < outputs.Length(); ++i) {
    const Napi::Object output = object(outputs.Get(i), "an output");
    description.outputs.push_back(
        {static_cast<int>(integer(output.Get("region"), "region", 0, kMaxRegions)),
         integer(output.Get("byteOffset"), "byteOffset", 0, kMaxSafeInteger), extent(output)});
  }
  return description;
}

// One run. Outputs are written straight into the ArrayBuffers of the result.
class RunJob final : public Job {
 public:
  RunJob(Napi::Env env, std::shared_ptr<OpenDevice> device, std::shared_ptr<Executable> executable,
         Run run, bool timing)
      : Job(env, std::move(device)), executable_(std::move(executable)), run_(std::move(run)) {
    for (int output : run_.outputs) {
      Napi::ArrayBuffer buffer =
          newArrayBuffer(env, static_cast<std::size_t>(executable_->outputBytes(output, run_.n)));
      run_.targets.push_back(buffer.Data());
      outputs_.push_back(Napi::Reference<Napi::ArrayBuffer>::New(buffer, 1));
    }
    if (timing) {
      Napi::ArrayBuffer times = newArrayBuffer(env, (run_.end - run_.begin) * sizeof(double));
      run_.times = static_cast<double*>(times.Data());  // may be null for an empty range
      times_ = Napi::Reference<Napi::ArrayBuffer>::New(times, 1);
    }
    slot_ = executable_->slot(run_.slot);
    if (slot_) slot_->uses.fetch_add(1, std::memory_order_relaxed);
  }
  ~RunJob() override { leaveSlot(); }

  void run() override {
    try {
      result_ = executable_->run(run_);
    } catch (...) {
      leaveSlot();
      throw;
    }
    leaveSlot();
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Array outputs = Napi::Array::New(env, outputs_.size());
    for (std::uint32_t i = 0; i < outputs_.size(); ++i) outputs.Set(i, outputs_[i].Value());
    Napi::Object result = Napi::Object::New(env);
    result.Set("outputs", outputs);
    result.Set("committed", Napi::Boolean::New(env, result_.committed));
    result.Set("elapsed", Napi::Number::New(env, result_.elapsed));
    if (!times_.IsEmpty())
      result.Set("times", Napi::Float64Array::New(env, run_.end - run_.begin, times_.Value(), 0));
    return result;
  }

 private:
  void leaveSlot() noexcept {
    if (slot_) slot_->uses.fetch_sub(1, std::memory_order_release);
    slot_.reset();
  }

  std::shared_ptr<Executable> executable_;
  std::shared_ptr<Block> slot_;
  Run run_;
  RunResult result_;
  std::vector<Napi::Reference<Napi::ArrayBuffer>> outputs_;
  Napi::Reference<Napi::ArrayBuffer> times_;
};

}  // namespace

Napi::Function ExecutableWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeExecutable",
                     {expose<&ExecutableWrap::stage>("stage"), expose<&ExecutableWrap::run>("run"),
                      expose<&ExecutableWrap::dispose>("dispose")});
}

Napi::Value ExecutableWrap::create(Napi::Env env, const std::shared_ptr<OpenDevice>& device,
                                   const Napi::Value& description) {
  device->device();
  std::vector<Napi::Object> buffers;
  auto executable =
      std::make_shared<Executable>(*device, plannedExecutable(description, *device, buffers));
  return make(env, State::of(env).executableClass,
              Payload{device, std::move(executable), std::move(buffers)});
}

ExecutableWrap::ExecutableWrap(const Napi::CallbackInfo& info) : Wrap(info) {
  device_ = payload<Payload>(info).device;
  executable_ = payload<Payload>(info).executable;
  for (const Napi::Object& buffer : payload<Payload>(info).buffers)
    buffers_.push_back(Napi::Persistent(buffer));
}

Executable& ExecutableWrap::executable() const {
  if (!executable_) throw Error(ErrorCode::Disposed, "the executable was disposed");
  return *executable_;
}

Napi::Value ExecutableWrap::stage(const Napi::CallbackInfo& info) {
  Executable& program = executable();
  const int slot = static_cast<int>(integer(info[0], "slot", 0, 1));
  const std::int64_t last = static_cast<std::int64_t>(program.inputCount()) - 1;
  const auto input = static_cast<std::size_t>(integer(info[1], "input", 0, last));
  const Bytes source = bytes(info[2], "source");
  program.stage(slot, input, source.data, static_cast<std::int64_t>(source.size));
  return info.Env().Undefined();
}

Napi::Value ExecutableWrap::run(const Napi::CallbackInfo& info) {
  Executable& program = executable();
  const Napi::Object fields = object(info[0], "run");
  const auto count = static_cast<std::int64_t>(program.instructionCount());
  Run run;
  run.n = integer(fields.Get("n"), "n", 1, program.batch());
  run.slot = static_cast<int>(integer(fields.Get("slot"), "slot", 0, 1));
  run.begin = static_cast<std::size_t>(integer(fields.Get("begin"), "begin", 0, count));
  run.end = static_cast<std::size_t>(integer(fields.Get("end"), "end", 0, count));
  run.control = control(fields.Get("control"));
  const Napi::Array outputs = array(fields.Get("outputs"), "outputs", kMaxPorts);
  for (std::uint32_t i = 0; i < outputs.Length(); ++i)
    run.outputs.push_back(static_cast<int>(integer(
        outputs.Get(i), "outputs", 0, static_cast<std::int64_t>(program.outputCount()) - 1)));
  const bool timing = boolean(fields.Get("timing"), "timing");
  program.check(run);
  return State::of(info.Env())
      .submit(info.Env(),
              std::make_unique<RunJob>(info.Env(), device_, executable_, std::move(run), timing));
}

Napi::Value ExecutableWrap::dispose(const Napi::CallbackInfo& info) {
  executable_.reset();
  buffers_.clear();
  return info.Env().Undefined();
}

}  // namespace striate::addon
