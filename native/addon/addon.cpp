// The module: its classes, and what it says about itself.
#include <napi.h>

#include "addon/buffer.h"
#include "addon/device.h"
#include "addon/executable.h"
#include "cpu/device/dispatch.h"
#include "cpu/device/processor.h"
#include "ops/registry.h"
#include "addon/arguments.h"
#include "runtime/plugin_device.h"

namespace striate::addon {

namespace {

const char* nameOf(FieldType type) {
  switch (type) {
    case FieldType::Int32:
      return "int32";
    case FieldType::Float32:
      return "float32";
    case FieldType::Int64:
      return "int64";
    case FieldType::Float64:
      return "float64";
  }
  return "";
}

const char* nameOf(Element element) {
  switch (element) {
    case Element::Storage:
      return "storage";
    case Element::Compute:
      return "compute";
    case Element::Int32:
      return "int32";
    case Element::Bytes:
      return "bytes";
    case Element::Other:
      return "other";
  }
  return "";
}

Napi::Array describeOperands(Napi::Env env, const OpInfo& info) {
  const int count = operandCount(info);
  Napi::Array operands = Napi::Array::New(env, static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    Napi::Object operand = Napi::Object::New(env);
    operand.Set("name", info.operands[i].name);
    operand.Set("role", info.operands[i].role == Role::In ? "in" : "out");
    operand.Set("optional", Napi::Boolean::New(env, info.operands[i].optional));
    operand.Set("element", nameOf(info.operands[i].element));
    operands.Set(static_cast<std::uint32_t>(i), operand);
  }
  return operands;
}

Napi::Array describeAttributes(Napi::Env env, const Family& family) {
  Napi::Array attributes = Napi::Array::New(env, static_cast<std::size_t>(family.fieldCount));
  for (int i = 0; i < family.fieldCount; ++i) {
    Napi::Object field = Napi::Object::New(env);
    field.Set("name", family.fields[i].name);
    field.Set("type", nameOf(family.fields[i].type));
    field.Set("offset", static_cast<double>(family.fields[i].offset));
    attributes.Set(static_cast<std::uint32_t>(i), field);
  }
  return attributes;
}

Napi::Value describeOps(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array ops = Napi::Array::New(env, registry().size());
  std::uint32_t number = 0;
  for (const OpEntry& entry : registry()) {
    Napi::Object op = Napi::Object::New(env);
    op.Set("name", entry.info->name);
    op.Set("family", entry.family->name);
    op.Set("operands", describeOperands(env, *entry.info));
    op.Set("attributes", describeAttributes(env, *entry.family));
    op.Set("attributesSize", static_cast<double>(entry.family->attributesSize));
    ops.Set(number++, op);
  }
  return ops;
}

Napi::Value describeCpu(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto& sets = cpu::instructionSets();
  Napi::Array names = Napi::Array::New(env, sets.size());
  for (std::uint32_t i = 0; i < sets.size(); ++i) names.Set(i, sets[i].name);
  Napi::Object result = Napi::Object::New(env);
  result.Set("instructionSets", names);
  result.Set("best", sets.back().name);
  result.Set("cores", cpu::availableCores());
  result.Set("model", cpu::processorName());
  return result;
}

constexpr std::size_t kMaxText = 4096;

// What the device library at a path says of itself.
Napi::Value describePluginAt(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guard(env, [&]() -> Napi::Value {
    const PluginFacts facts = describePlugin(text(info[0], "path", kMaxText));
    Napi::Object result = Napi::Object::New(env);
    result.Set("version", facts.packageVersion);
    result.Set("sourceHash", facts.sourceHash);
    result.Set("devices", facts.devices);
    result.Set("failure", facts.failure);
    return result;
  });
}

Napi::Value inspectPluginAt(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    return Napi::String::New(info.Env(), inspectPlugin(text(info[0], "path", kMaxText),
                                                       text(info[1], "command", kMaxText)));
  });
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  auto* state = new State(env);
  env.SetInstanceData(state);
  state->deviceClass = Napi::Persistent(DeviceWrap::define(env));
  state->bufferClass = Napi::Persistent(BufferWrap::define(env));
  state->executableClass = Napi::Persistent(ExecutableWrap::define(env));
  exports.Set("version", STRIATE_VERSION);
  exports.Set("sourceHash", STRIATE_SOURCE_HASH);
  exports.Set("describeOps", Napi::Function::New<describeOps>(env, "describeOps"));
  exports.Set("describeCpu", Napi::Function::New<describeCpu>(env, "describeCpu"));
  exports.Set("describePlugin", Napi::Function::New<describePluginAt>(env, "describePlugin"));
  exports.Set("inspectPlugin", Napi::Function::New<inspectPluginAt>(env, "inspectPlugin"));
  exports.Set("createDevice", Napi::Function::New<DeviceWrap::create>(env, "createDevice"));
  return exports;
}

}  // namespace

NODE_API_MODULE(striate, initialize)

}  // namespace striate::addon
