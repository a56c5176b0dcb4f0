#include "addon/arguments.h"

#include <cmath>

#include "runtime/error.h"

namespace striate::addon {

namespace {

[[noreturn]] void refuse(const char* name, const std::string& rule) {
  throw Error(ErrorCode::InvalidArgument, std::string(name) + " " + rule);
}

std::string shown(double number) {
  if (std::isnan(number)) return "NaN";
  if (number == std::floor(number) && std::fabs(number) < 1e15)
    return std::to_string(static_cast<std::int64_t>(number));
  return std::to_string(number);
}

}  // namespace

bool isNothing(const Napi::Value& value) { return value.IsNull() || value.IsUndefined(); }

std::int64_t integer(const Napi::Value& value, const char* name, std::int64_t min,
                     std::int64_t max) {
  if (!value.IsNumber()) refuse(name, "is a number");
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= static_cast<double>(min) && number <= static_cast<double>(max)) ||
      number != std::floor(number))
    refuse(name, "is an integer from " + std::to_string(min) + " to " + std::to_string(max) +
                     "; got " + shown(number));
  return static_cast<std::int64_t>(number);
}

double finite(const Napi::Value& value, const char* name) {
  if (!value.IsNumber()) refuse(name, "is a number");
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!std::isfinite(number)) refuse(name, "is a finite number");
  return number;
}

bool boolean(const Napi::Value& value, const char* name) {
  if (!value.IsBoolean()) refuse(name, "is true or false");
  return value.As<Napi::Boolean>().Value();
}

std::string text(const Napi::Value& value, const char* name, std::size_t maxLength) {
  if (!value.IsString()) refuse(name, "is a string");
  std::string string = value.As<Napi::String>().Utf8Value();
  if (string.size() > maxLength)
    refuse(name, "has at most " + std::to_string(maxLength) + " bytes");
  return string;
}

Napi::Object object(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) refuse(name, "is an object");
  return value.As<Napi::Object>();
}

Napi::Array array(const Napi::Value& value, const char* name, std::uint32_t maxLength) {
  if (!value.IsArray()) refuse(name, "is an array");
  const Napi::Array items = value.As<Napi::Array>();
  if (items.Length() > maxLength)
    refuse(name, "has at most " + std::to_string(maxLength) + " entries");
  return items;
}

Bytes bytes(const Napi::Value& value, const char* name) {
  Bytes result = {nullptr, 0};
  if (value.IsTypedArray()) {
    const Napi::TypedArray view = value.As<Napi::TypedArray>();
    void* data = nullptr;
    const napi_status status =
        napi_get_typedarray_info(value.Env(), value, nullptr, nullptr, &data, nullptr, nullptr);
    if (status == napi_ok) result = {data, view.ByteLength()};
  } else if (value.IsDataView()) {
    void* data = nullptr;
    std::size_t size = 0;
    if (napi_get_dataview_info(value.Env(), value, &size, &data, nullptr, nullptr) == napi_ok)
      result = {data, size};
  } else {
    refuse(name, "is a typed array or a DataView");
  }
  if (result.data == nullptr || result.size == 0)
    refuse(name, "is empty, or its ArrayBuffer is detached");
  return result;
}

Control control(const Napi::Value& value) {
  const Napi::Object fields = object(value, "control");
  Control block;
  block.step = integer(fields.Get("step"), "control.step", 0, kMaxSafeInteger);
  block.sampleOffset =
      integer(fields.Get("sampleOffset"), "control.sampleOffset", 0, kMaxSafeInteger);
  block.seed =
      static_cast<std::uint64_t>(integer(fields.Get("seed"), "control.seed", 0, kMaxSafeInteger));
  block.learningRate = finite(fields.Get("learningRate"), "control.learningRate");
  block.lossScale = finite(fields.Get("lossScale"), "control.lossScale");
  return block;
}

DType dtype(const Napi::Value& value) { return static_cast<DType>(integer(value, "dtype", 0, 5)); }

Access access(const Napi::Value& value) {
  return static_cast<Access>(integer(value, "access", 1, 3));
}

int extents(const Napi::Value& value, std::int64_t (&size)[4]) {
  const Napi::Array items = array(value, "size", 4);
  const std::uint32_t rank = items.Length();
  for (std::uint32_t i = 0; i < 4; ++i)
    size[i] = i < rank ? integer(items.Get(i), "size", 1, kMaxSafeInteger) : 1;
  return static_cast<int>(rank);
}

Napi::ArrayBuffer newArrayBuffer(Napi::Env env, std::size_t bytes) {
  // Below this the engine's own allocation ends the process only when the process is lost anyway.
  constexpr std::size_t kOrdinary = std::size_t(1) << 24;
  if (bytes <= kOrdinary) return Napi::ArrayBuffer::New(env, bytes);
  const Napi::Value made = env.Global()
                               .Get("ArrayBuffer")
                               .As<Napi::Function>()
                               .New({Napi::Number::New(env, static_cast<double>(bytes))});
  if (!made.IsArrayBuffer() || made.As<Napi::ArrayBuffer>().ByteLength() != bytes)
    throw Error(ErrorCode::DeviceError, "the global ArrayBuffer is not JavaScript's");
  return made.As<Napi::ArrayBuffer>();
}

}  // namespace striate::addon
