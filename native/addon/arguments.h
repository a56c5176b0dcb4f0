// Arguments from JavaScript, checked one by one. What is wrong is an `Error` that names the argument.
#pragma once
#include <napi.h>

#include <cstdint>
#include <string>

#include "ops/view.h"

namespace striate::addon {

constexpr std::int64_t kMaxSafeInteger = (std::int64_t(1) << 53) - 1;

struct Bytes {
  const void* data;
  std::size_t size;
};

std::int64_t integer(const Napi::Value& value, const char* name, std::int64_t min,
                     std::int64_t max);
double finite(const Napi::Value& value, const char* name);
bool boolean(const Napi::Value& value, const char* name);
std::string text(const Napi::Value& value, const char* name, std::size_t maxLength);
Napi::Object object(const Napi::Value& value, const char* name);
Napi::Array array(const Napi::Value& value, const char* name, std::uint32_t maxLength);
// The bytes of a typed array or DataView; not empty.
Bytes bytes(const Napi::Value& value, const char* name);

bool isNothing(const Napi::Value& value);

Control control(const Napi::Value& value);
DType dtype(const Napi::Value& value);
Access access(const Napi::Value& value);
// Up to four extents of one or more; the rest stays 1. Returns their number.
int extents(const Napi::Value& value, std::int64_t (&size)[4]);

// A new ArrayBuffer; too large is a RangeError of JavaScript's own, never the end of the process.
Napi::ArrayBuffer newArrayBuffer(Napi::Env env, std::size_t bytes);

}  // namespace striate::addon
