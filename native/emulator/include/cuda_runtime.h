// The part of CUDA that Striate uses, declared for plain C++. With this folder on the include path the
// `.cu` files and the host code of native/cuda compile unchanged and run on the emulated card.
// Names, values and meanings are those of the CUDA Runtime API and the CUDA C++ Programming Guide.
#pragma once
#include "device_builtins.h"
#include "runtime_api.h"
