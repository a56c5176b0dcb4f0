/* The border of a device that lives in a library of its own. C: no exception, no C++ library type and no
 * JavaScript value crosses it. The library exports
 *
 *   const StriatePlugin* striateOpenPlugin(uint32_t version);
 *
 * which gives NULL for a version that it does not speak. Functions that can fail return 0, or a code of
 * `StriateCode` with words in `message`. A device is used by one queue thread at a time; `allocate`,
 * `release`, `stage` and `memory` may be called beside it from one other thread. */
#ifndef STRIATE_RUNTIME_PLUGIN_H
#define STRIATE_RUNTIME_PLUGIN_H
#include <stdint.h>

#define STRIATE_PLUGIN_VERSION 1u
#define STRIATE_PLUGIN_ENTRY "striateOpenPlugin"

#ifdef __cplusplus
extern "C" {
#endif

/* 0 is success; the others are striate::ErrorCode + 1. */
typedef int32_t StriateCode;

typedef struct StriateMessage {
  char text[4096]; /* ends with 0 */
} StriateMessage;

/* As striate::View and striate::Control, field by field. */
typedef struct StriateView {
  void* data;
  uint8_t dtype;
  uint8_t access;
  int32_t rank;
  int64_t size[4];
  int64_t pitch;
} StriateView;

typedef struct StriateControl {
  int64_t step;
  int64_t sampleOffset;
  uint64_t seed;
  double learningRate;
  double lossScale;
  int32_t commit;
  int32_t reserved;
} StriateControl;

/* One op: the family's number in ops.def and the position within the family. */
typedef struct StriateOp {
  int32_t family;
  int32_t op;
  const char* name;
} StriateOp;

typedef struct StriateDeviceFacts {
  char kind[32];         /* "cuda:0" */
  char name[256];        /* the card's own name */
  char architecture[32]; /* "sm_80" */
  char details[1024];    /* versions and paths of driver, runtime and libraries, one line */
  uint64_t ownBytes;     /* device memory that the device holds for itself */
} StriateDeviceFacts;

/* What a step brings back to the host. */
typedef struct StriateReadback {
  void* to;
  const void* from;
  uint64_t bytes;
} StriateReadback;

/* One run of a program. Runs that agree in `owner`, `n`, `slot`, `begin`, `end` and in what they read
 * back issue the same work: the library may record it once and replay it. */
typedef struct StriateSequence {
  uint32_t size; /* of this struct */
  int32_t slot;
  uint64_t owner;
  int64_t n;
  uint64_t begin, end;  /* instructions */
  const void* slotData; /* memory of the staging slot; NULL: none */
  double* times;        /* nanoseconds by instruction; NULL: not measured */
  const StriateReadback* readbacks;
  uint64_t readbackCount;
} StriateSequence;

enum { STRIATE_MEMORY_PLANNED = 0, STRIATE_MEMORY_EAGER = 1 };

typedef struct StriatePlugin {
  uint32_t size; /* of this struct */
  uint32_t version;
  const char* packageVersion;
  const char* sourceHash;
  uint64_t opsFingerprint; /* of ops.def and the attribute structs */

  StriateCode (*deviceCount)(int32_t* count, StriateMessage* message);
  StriateCode (*open)(int32_t index, void** device, StriateMessage* message);
  void (*close)(void* device);
  void (*facts)(void* device, StriateDeviceFacts* facts);

  /* Zeroed memory; success with *data == NULL: there is none left. */
  StriateCode (*allocate)(void* device, uint64_t bytes, int32_t kind, void** data,
                          StriateMessage* message);
  void (*release)(void* device, void* data);
  StriateCode (*memory)(void* device, uint64_t* free, uint64_t* total, StriateMessage* message);

  StriateCode (*prepareStaging)(void* device, void* slot, uint64_t bytes, StriateMessage* message);
  StriateCode (*stage)(void* device, void* to, const void* from, uint64_t bytes,
                       StriateMessage* message);
  StriateCode (*upload)(void* device, void* to, const void* from, uint64_t bytes,
                        StriateMessage* message);
  StriateCode (*download)(void* device, void* to, const void* from, uint64_t bytes,
                          StriateMessage* message);
  StriateCode (*fill)(void* device, void* to, int32_t value, uint64_t bytes,
                      StriateMessage* message);

  /* What this device asks beyond the op's own rules. */
  StriateCode (*check)(void* device, const StriateOp* op, const void* attributes,
                       const StriateView* views, StriateMessage* message);
  StriateCode (*setControl)(void* device, const StriateControl* control, StriateMessage* message);
  StriateCode (*control)(void* device, StriateControl* control, StriateMessage* message);
  StriateCode (*execute)(void* device, const StriateOp* op, const void* attributes,
                         const StriateView* views, const char* label, StriateMessage* message);
  StriateCode (*synchronize)(void* device, StriateMessage* message);

  /* A run: `begin`; where it asks for it, `execute` for every instruction; then `end`, which waits, or
   * `cancel`. */
  StriateCode (*begin)(void* device, const StriateSequence* sequence, const StriateControl* control,
                       int32_t* mustIssue, StriateMessage* message);
  StriateCode (*end)(void* device, const StriateSequence* sequence, StriateControl* control,
                     StriateMessage* message);
  void (*cancel)(void* device);
  /* The program `owner` is gone. */
  void (*forget)(void* device, uint64_t owner);

  /* For tests: carries out `command` and gives its answer, valid until the thread's next call. NULL: this
   * library has no such thing. */
  const char* (*inspect)(const char* command);
} StriatePlugin;

#ifdef __cplusplus
}
#endif
#endif
