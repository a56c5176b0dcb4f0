#include "cuda/blas/library.h"

#include <dirent.h>
#include <dlfcn.h>

#include <cstdlib>
#include <mutex>

#include "cuda/failure.h"

#if defined(STRIATE_EMULATOR)
#include "emulator/cublaslt.h"
#endif

namespace striate::cuda::lt {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// `<prefix>/lib/python3.*/site-packages`
std::vector<std::string> sitePackages(const std::string& prefix) {
  std::vector<std::string> found;
  const std::string lib = prefix + "/lib";
  DIR* dir = opendir(lib.c_str());
  if (dir == nullptr) return found;
  while (const dirent* entry = readdir(dir)) {
    const std::string name = entry->d_name;
    if (name.rfind("python3", 0) == 0) found.push_back(lib + "/" + name + "/site-packages");
  }
  closedir(dir);
  return found;
}

}  // namespace

int wantedMajor() {
#if defined(STRIATE_EMULATOR)
  return 13;
#else
  return CUDART_VERSION / 1000;
#endif
}

std::vector<std::string> candidates() {
  const std::string major = std::to_string(wantedMajor()), file = "libcublasLt.so." + major;
  if (const std::string forced = variable("STRIATE_CUBLASLT"); !forced.empty()) return {forced};
  std::vector<std::string> paths = {file};
  for (const char* name : {"CUDA_PATH", "CUDA_HOME"})
    if (const std::string root = variable(name); !root.empty()) {
      paths.push_back(root + "/lib64/" + file);
      paths.push_back(root + "/lib/" + file);
      paths.push_back(root + "/targets/x86_64-linux/lib/" + file);
      paths.push_back(root + "/targets/sbsa-linux/lib/" + file);
    }
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const std::string root = variable(name); !root.empty())
      for (const std::string& site : sitePackages(root)) {
        paths.push_back(site + "/nvidia/cu" + major + "/lib/" + file);
        paths.push_back(site + "/nvidia/cublas/lib/" + file);
      }
  for (const std::string& root :
       std::vector<std::string>{"/usr/local/cuda", "/usr/local/cuda-" + major, "/opt/cuda"}) {
    paths.push_back(root + "/lib64/" + file);
    paths.push_back(root + "/targets/x86_64-linux/lib/" + file);
    paths.push_back(root + "/targets/sbsa-linux/lib/" + file);
  }
  paths.push_back("/usr/lib/x86_64-linux-gnu/" + file);
  paths.push_back("/usr/lib/aarch64-linux-gnu/" + file);
  return paths;
}

bool openAt(const std::string& path, Library& library, std::string& reason) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* message = dlerror();
    reason = message == nullptr ? "cannot be opened" : message;
    return false;
  }
  std::string missing;
#define STRIATE_LT_RESOLVE(name, result, parameters)                                            \
  library.table.name = reinterpret_cast<result(*) parameters>(dlsym(handle, "cublasLt" #name)); \
  if (library.table.name == nullptr && missing.empty()) missing = "cublasLt" #name;
  STRIATE_CUBLASLT(STRIATE_LT_RESOLVE)
#undef STRIATE_LT_RESOLVE
  if (!missing.empty()) {
    reason = "has no function " + missing;
    dlclose(handle);
    return false;
  }
  library.path = path;
  library.version = library.table.GetVersion();
  // 110605 is 11.6.5, 130101 is 13.1.1.
  const int major = static_cast<int>(library.version / 10000);
  if (major != wantedMajor()) {
    reason = "is version " + std::to_string(major) + ", this build needs " +
             std::to_string(wantedMajor());
    dlclose(handle);
    return false;
  }
  return true;
}

const Library& open() {
  static std::mutex mutex;
  static Library opened;
  static bool isOpen = false;
  std::lock_guard<std::mutex> lock(mutex);
  if (isOpen) return opened;
#if defined(STRIATE_EMULATOR)
  if (variable("STRIATE_CUBLASLT").empty()) {
    opened = {emulator::cublasLtTable(), "emulated", 130000};
    isOpen = true;
    return opened;
  }
#endif
  std::string attempts;
  for (const std::string& path : candidates()) {
    std::string reason;
    Library library;
    if (openAt(path, library, reason)) {
      opened = library;
      isOpen = true;
      return opened;
    }
    attempts += "\n  " + path + ": " + reason;
  }
  throw Failure{
      cudaErrorInitializationError, "opening cuBLASLt",
      "no usable library was found. Install CUDA " + std::to_string(wantedMajor()) +
          "'s cuBLAS (for example: pip install nvidia-cublas) or point CUDA_PATH to the toolkit." +
          attempts};
}

}  // namespace striate::cuda::lt
