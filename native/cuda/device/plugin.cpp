// The library's border: statuses and messages instead of exceptions.
#include <atomic>
#include <cstring>
#include <exception>
#include <mutex>
#include <new>
#include <string>

#include "cuda/device/device.h"
#include "ops/fingerprint.h"
#include "runtime/error.h"

#if defined(STRIATE_EMULATOR)
#include "emulator/inspect.h"
#include "emulator/runtime.h"
#endif

#if !defined(STRIATE_VERSION)
#define STRIATE_VERSION ""
#endif
#if !defined(STRIATE_SOURCE_HASH)
#define STRIATE_SOURCE_HASH ""
#endif

namespace striate::cuda {

namespace {

// Once a context is broken every later call fails, for the life of the process.
struct Loss {
  std::mutex mutex;
  std::string reason;
  std::atomic<bool> happened{false};
};
Loss& loss() {
  static auto& state = *new Loss();
  return state;
}

StriateCode code(ErrorCode error) { return static_cast<StriateCode>(error) + 1; }

StriateCode tell(StriateMessage* message, ErrorCode error, const std::string& text) {
  const std::size_t length = std::min(text.size(), sizeof message->text - 1);
  std::memcpy(message->text, text.data(), length);
  message->text[length] = 0;
  return code(error);
}

// What the emulator found, where it stands behind the failure.
std::string finding() {
#if defined(STRIATE_EMULATOR)
  emulator::Runtime& r = emulator::Runtime::instance();
  std::lock_guard<std::recursive_mutex> lock(r.mutex);
  if (!r.finding.empty()) return "; " + r.finding;
#endif
  return "";
}

ErrorCode kindOf(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return ErrorCode::OutOfDeviceMemory;
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorInitializationError:
      return ErrorCode::DeviceUnavailable;
    default:
      return ErrorCode::DeviceError;
  }
}

// An error that every later call repeats; a capture's own refusals are none.
bool contextIsBroken() {
  constexpr int kFirstOfCapture = 900, kLastOfCapture = 908;
  std::size_t free, total;
  const int error = cudaMemGetInfo(&free, &total);
  cudaGetLastError();
  return error != cudaSuccess && (error < kFirstOfCapture || error > kLastOfCapture);
}

StriateCode report(const Failure& failure, bool opened, StriateMessage* message) {
  cudaGetLastError();
  if (!opened || !contextIsBroken())
    return tell(message, kindOf(failure.error), failure.text() + finding());
  const std::string reason = failure.text() + finding();
  std::lock_guard<std::mutex> lock(loss().mutex);
  if (!loss().happened) loss().reason = reason;
  loss().happened = true;
  return tell(message, ErrorCode::DeviceLost,
              "the CUDA device is lost for this process: " + reason);
}

template <class F>
StriateCode guard(int index, StriateMessage* message, F&& f) {
  try {
    if (loss().happened) {
      std::lock_guard<std::mutex> lock(loss().mutex);
      return tell(message, ErrorCode::DeviceLost,
                  "the CUDA device was lost for this process: " + loss().reason);
    }
    if (index >= 0) check(cudaSetDevice(index), "cudaSetDevice");
    f();
    return 0;
  } catch (const Failure& failure) {
    return report(failure, index >= 0, message);
  } catch (const Error& error) {
    return tell(message, error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return tell(message, ErrorCode::OutOfDeviceMemory, "the host has no memory left");
  } catch (const std::exception& error) {
    return tell(message, ErrorCode::DeviceError, error.what());
  } catch (...) {
    return tell(message, ErrorCode::DeviceError, "an unknown failure in the CUDA library");
  }
}

template <class F>
StriateCode onDevice(void* device, StriateMessage* message, F&& f) {
  auto& d = *static_cast<CudaDevice*>(device);
  return guard(d.index(), message, [&] { f(d); });
}

// Where nobody waits for an answer.
template <class F>
void quietly(void* device, F&& f) {
  try {
    auto& d = *static_cast<CudaDevice*>(device);
    cudaSetDevice(d.index());
    f(d);
  } catch (...) {
    cudaGetLastError();
  }
}

const View* views(const StriateView* v) { return reinterpret_cast<const View*>(v); }
const Control& block(const StriateControl* c) { return *reinterpret_cast<const Control*>(c); }
void assign(StriateControl* to, const Control& from) { std::memcpy(to, &from, sizeof from); }
static_assert(sizeof(StriateView) == sizeof(View) && sizeof(StriateControl) == sizeof(Control),
              "views and the control block cross the border as they are");

StriateCode deviceCount(std::int32_t* count, StriateMessage* message) {
  *count = 0;
  return guard(-1, message, [&] {
    int found = 0;
    check(cudaGetDeviceCount(&found), "cudaGetDeviceCount");
    *count = found;
  });
}

StriateCode open(std::int32_t index, void** device, StriateMessage* message) {
  *device = nullptr;
  return guard(-1, message, [&] {
    int found = 0;
    check(cudaGetDeviceCount(&found), "cudaGetDeviceCount");
    if (index >= found)
      throw Error(ErrorCode::DeviceUnavailable, "there is no CUDA device " + std::to_string(index) +
                                                    "; the driver knows " + std::to_string(found));
    *device = new CudaDevice(index);
  });
}

const StriatePlugin kPlugin = {
    sizeof(StriatePlugin),
    STRIATE_PLUGIN_VERSION,
    STRIATE_VERSION,
    STRIATE_SOURCE_HASH,
    opsFingerprint(),
    deviceCount,
    open,
    [](void* device) {
      quietly(device, [](CudaDevice&) {});
      delete static_cast<CudaDevice*>(device);
    },
    [](void* device, StriateDeviceFacts* facts) {
      static_cast<CudaDevice*>(device)->facts(*facts);
    },
    [](void* device, std::uint64_t bytes, std::int32_t kind, void** data, StriateMessage* message) {
      *data = nullptr;
      return onDevice(device, message, [&](CudaDevice& d) {
        *data = d.allocate(bytes, kind == STRIATE_MEMORY_EAGER);
      });
    },
    [](void* device, void* data) { quietly(device, [&](CudaDevice& d) { d.release(data); }); },
    [](void* device, std::uint64_t* free, std::uint64_t* total, StriateMessage* message) {
      return onDevice(device, message, [&](CudaDevice& d) { d.memory(*free, *total); });
    },
    [](void* device, void* slot, std::uint64_t bytes, StriateMessage* message) {
      return onDevice(device, message, [&](CudaDevice& d) { d.prepareStaging(slot, bytes); });
    },
    [](void* device, void* to, const void* from, std::uint64_t bytes, StriateMessage* message) {
      return onDevice(device, message, [&](CudaDevice& d) { d.stage(to, from, bytes); });
    },
    [](void* device, void* to, const void* from, std::uint64_t bytes, StriateMessage* message) {
      return onDevice(device, message, [&](CudaDevice& d) { d.upload(to, from, bytes); });
    },
    [](void* device, void* to, const void* from, std::uint64_t bytes, StriateMessage* message) {
      return onDevice(device, message, [&](CudaDevice& d) { d.download(to, from, bytes); });
    },
    [](void* device, void* to, std::int32_t value, std::uint64_t bytes, StriateMessage* message) {
      return onDevice(device, message, [&](CudaDevice& d) { d.fill(to, value, bytes); });
    },
    [](void*, const StriateOp* op, const void* attributes, const StriateView* v,
       StriateMessage* message) {
      return guard(-1, message, [&] { checkCall(*op, attributes, views(v)); });
    },
    [](void* device, const StriateControl* control, StriateMessage* message) {
      return onDevice(device, message, [&](CudaDevice& d) { d.setControl(block(control)); });
    },
    [](void* device, StriateControl* control, StriateMessage* message) {
      return onDevice(device, message, [&](CudaDevice& d) { assign(control, d.control()); });
    },
    [](void* device, const StriateOp* op, const void* attributes, const StriateView* v,
       const char* label, StriateMessage* message) {
      return onDevice(device, message,
                      [&](CudaDevice& d) { d.execute(*op, attributes, views(v), label); });
    },
    [](void* device, StriateMessage* message) {
      return onDevice(device, message, [](CudaDevice& d) { d.synchronize(); });
    },
    [](void* device, const StriateSequence* sequence, const StriateControl* control,
       std::int32_t* mustIssue, StriateMessage* message) {
      return onDevice(device, message, [&](CudaDevice& d) {
        try {
          *mustIssue = d.begin(*sequence, block(control)) ? 1 : 0;
        } catch (...) {
          d.cancel();
          throw;
        }
      });
    },
    [](void* device, const StriateSequence* sequence, StriateControl* control,
       StriateMessage* message) {
      return onDevice(device, message, [&](CudaDevice& d) { assign(control, d.end(*sequence)); });
    },
    [](void* device) { quietly(device, [](CudaDevice& d) { d.cancel(); }); },
    [](void* device, std::uint64_t owner) {
      quietly(device, [&](CudaDevice& d) { d.forget(owner); });
    },
#if defined(STRIATE_EMULATOR)
    emulator::inspect,
#else
    nullptr,
#endif
};

}  // namespace

}  // namespace striate::cuda

extern "C" __attribute__((visibility("default"))) const StriatePlugin* striateOpenPlugin(
    std::uint32_t version) {
  return version == STRIATE_PLUGIN_VERSION ? &striate::cuda::kPlugin : nullptr;
}
