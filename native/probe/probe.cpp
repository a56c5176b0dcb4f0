// Says in one line of JSON whether a device library works on this machine. A program of its own, so that
// a broken driver ends this process and not the one that asks: striate-probe LIBRARY
#include <dlfcn.h>

#include <cstdio>
#include <string>

#include "runtime/plugin.h"

namespace {

std::string quoted(const char* text) {
  std::string out = "\"";
  for (; *text != 0; ++text) {
    if (*text == '"' || *text == '\\') out += '\\';
    if (*text == '\n')
      out += "\\n";
    else if (static_cast<unsigned char>(*text) >= 0x20)
      out += *text;
  }
  return out + "\"";
}

int answer(int devices, const char* details, const char* failure) {
  std::printf("{\"devices\":%d,\"details\":%s,\"failure\":%s}\n", devices, quoted(details).c_str(),
              quoted(failure).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return answer(0, "", dlerror());
  using Entry = const StriatePlugin* (*)(std::uint32_t);
  const auto entry = reinterpret_cast<Entry>(dlsym(library, STRIATE_PLUGIN_ENTRY));
  const StriatePlugin* plugin = entry == nullptr ? nullptr : entry(STRIATE_PLUGIN_VERSION);
  if (plugin == nullptr) return answer(0, "", "this is no device library of this version");
  StriateMessage message;
  message.text[0] = 0;
  std::int32_t devices = 0;
  if (plugin->deviceCount(&devices, &message) != 0) return answer(0, "", message.text);
  if (devices == 0) return answer(0, "", "the driver knows no CUDA device");
  void* device = nullptr;
  if (plugin->open(0, &device, &message) != 0) return answer(0, "", message.text);
  StriateDeviceFacts facts;
  plugin->facts(device, &facts);
  plugin->close(device);
  const std::string details =
      std::string(facts.name) + ", " + facts.architecture + ", " + facts.details;
  return answer(devices, details.c_str(), "");
}
