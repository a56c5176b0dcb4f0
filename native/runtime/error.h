// The one exception type of the native code. The N-API edge turns it into a StriateError.
#pragma once
#include <stdexcept>
#include <string>

namespace striate {

enum class ErrorCode {
  InvalidArgument,
  InvalidShape,
  Disposed,
  Busy,
  Cancelled,
  NotFinite,
  OutOfDeviceMemory,
  DeviceError,
  DeviceLost,
  DeviceUnavailable,
  InvalidData,
};

// The stable code that JavaScript sees.
inline const char* name(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidArgument:
      return "INVALID_ARGUMENT";
    case ErrorCode::InvalidShape:
      return "INVALID_SHAPE";
    case ErrorCode::Disposed:
      return "DISPOSED";
    case ErrorCode::Busy:
      return "BUSY";
    case ErrorCode::Cancelled:
      return "CANCELLED";
    case ErrorCode::NotFinite:
      return "NOT_FINITE";
    case ErrorCode::OutOfDeviceMemory:
      return "OUT_OF_DEVICE_MEMORY";
    case ErrorCode::DeviceError:
      return "DEVICE_ERROR";
    case ErrorCode::DeviceLost:
      return "DEVICE_LOST";
    case ErrorCode::DeviceUnavailable:
      return "DEVICE_UNAVAILABLE";
    case ErrorCode::InvalidData:
      return "INVALID_DATA";
  }
  return "DEVICE_ERROR";
}

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace striate
