/*
 * Preloaded into a process: counts what the native addon asks of the operating system, by malloc and its
 * kin, operator new and mmap, and can make such a call fail. Calls from elsewhere (Node, V8) pass uncounted:
 * the return address tells. The counts stand in the file that STRIATE_COUNTS names, as 64-bit numbers:
 * live bytes, most of them, calls, the call that is to fail (0: none), failed calls, the smallest size
 * that may fail.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { kLive, kPeak, kCalls, kFailAt, kFailed, kSmallest, kCounts };

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);
extern void __libc_free(void*);

static int64_t unset[kCounts];
static int64_t* counts = unset;
static uintptr_t begin, end; /* of the addon's code */

/* Live blocks by address: open addressing, a tombstone is 1. */
#define SLOTS (1u << 20)
static struct {
  uintptr_t address;
  size_t bytes;
} blocks[SLOTS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void start(void) {
  const char* path = getenv("STRIATE_COUNTS");
  if (path == NULL) return;
  const int file = open(path, O_RDWR);
  if (file < 0) return;
  void* shared = mmap(NULL, sizeof unset, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (shared != MAP_FAILED) counts = shared;
  close(file);
}

static int find(struct dl_phdr_info* info, size_t size, void* data) {
  (void)size;
  (void)data;
  const size_t length = strlen(info->dlpi_name);
  if (length < 12 || strcmp(info->dlpi_name + length - 12, "striate.node") != 0) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type != PT_LOAD || !(info->dlpi_phdr[i].p_flags & PF_X)) continue;
    begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    end = begin + info->dlpi_phdr[i].p_memsz;
  }
  return 1;
}

/* The addon is looked for once it is said to be loaded: the parent sets kSmallest. */
static int ours(const void* caller) {
  if (counts[kSmallest] == 0) return 0;
  if (end == 0) dl_iterate_phdr(find, NULL);
  return (uintptr_t)caller >= begin && (uintptr_t)caller < end;
}

static int fails(size_t bytes) {
  if (counts[kFailAt] == 0 || (int64_t)bytes < counts[kSmallest]) return 0;
  if (--counts[kFailAt] > 0) return 0;
  ++counts[kFailed];
  return 1;
}

static void add(void* block, size_t bytes) {
  if (block == NULL || block == MAP_FAILED) return;
  pthread_mutex_lock(&mutex);
  for (uint32_t i = (uint32_t)((uintptr_t)block >> 4) % SLOTS;; i = (i + 1) % SLOTS) {
    if (blocks[i].address > 1) continue;
    blocks[i].address = (uintptr_t)block;
    blocks[i].bytes = bytes;
    break;
  }
  ++counts[kCalls];
  counts[kLive] += (int64_t)bytes;
  if (counts[kLive] > counts[kPeak]) counts[kPeak] = counts[kLive];
  pthread_mutex_unlock(&mutex);
}

/* `part` bytes of a mapping, 0: all of it. */
static void take(void* block, size_t part) {
  if (block == NULL || counts[kCalls] == 0) return;
  pthread_mutex_lock(&mutex);
  for (uint32_t i = (uint32_t)((uintptr_t)block >> 4) % SLOTS; blocks[i].address != 0;
       i = (i + 1) % SLOTS) {
    if (blocks[i].address != (uintptr_t)block) continue;
    const size_t bytes = part == 0 || part > blocks[i].bytes ? blocks[i].bytes : part;
    counts[kLive] -= (int64_t)bytes;
    blocks[i].address = 1;
    break;
  }
  pthread_mutex_unlock(&mutex);
}

#define COUNTED(bytes, call)                         \
  const int own = ours(__builtin_return_address(0)); \
  if (own && fails(bytes)) return NULL;              \
  void* block = (call);                              \
  if (own) add(block, bytes);                        \
  return block

void* malloc(size_t bytes) { COUNTED(bytes, __libc_malloc(bytes)); }
void* calloc(size_t n, size_t size) { COUNTED(n * size, __libc_calloc(n, size)); }
void* aligned_alloc(size_t alignment, size_t bytes) {
  COUNTED(bytes, __libc_memalign(alignment, bytes));
}
void* realloc(void* old, size_t bytes) {
  take(old, 0);
  COUNTED(bytes, __libc_realloc(old, bytes));
}
/* `operator new`: it ends in `delete`, which is `free`. Only counted: what it throws is not C's to throw. */
static void* counted(const void* caller, size_t alignment, size_t bytes) {
  void* block = __libc_memalign(alignment, bytes);
  if (block == NULL) abort();
  if (ours(caller)) add(block, bytes);
  return block;
}
void* _Znwm(size_t bytes) { return counted(__builtin_return_address(0), 16, bytes); }
void* _Znam(size_t bytes) { return counted(__builtin_return_address(0), 16, bytes); }
void* _ZnwmSt11align_val_t(size_t bytes, size_t alignment) {
  return counted(__builtin_return_address(0), alignment, bytes);
}
void free(void* block) {
  take(block, 0);
  __libc_free(block);
}

/*
 * A mapping is counted whole; parts that are given back at once (what aligns it) are taken off: `munmap` of
 * its head moves it, of its tail shortens it.
 */
static struct { uintptr_t begin, end; } mappings[4096];

void* mmap(void* address, size_t bytes, int protection, int flags, int file, off_t offset) {
  const int own = ours(__builtin_return_address(0));
  if (own && fails(bytes)) return MAP_FAILED;
  void* block = (void*)syscall(SYS_mmap, address, bytes, protection, flags, file, offset);
  if (!own || block == MAP_FAILED) return block;
  pthread_mutex_lock(&mutex);
  for (int i = 0; i < 4096; ++i) {
    if (mappings[i].end != 0) continue;
    mappings[i].begin = (uintptr_t)block;
    mappings[i].end = (uintptr_t)block + bytes;
    break;
  }
  ++counts[kCalls];
  counts[kLive] += (int64_t)bytes;
  if (counts[kLive] > counts[kPeak]) counts[kPeak] = counts[kLive];
  pthread_mutex_unlock(&mutex);
  return block;
}

int munmap(void* address, size_t bytes) {
  const uintptr_t from = (uintptr_t)address, to = from + bytes;
  pthread_mutex_lock(&mutex);
  for (int i = 0; i < 4096; ++i) {
    if (mappings[i].end == 0 || from < mappings[i].begin || to > mappings[i].end) continue;
    counts[kLive] -= (int64_t)bytes;
    if (from == mappings[i].begin)
      mappings[i].begin = to;
    else
      mappings[i].end = from;
    if (mappings[i].begin >= mappings[i].end) mappings[i].begin = mappings[i].end = 0;
    break;
  }
  pthread_mutex_unlock(&mutex);
  return (int)syscall(SYS_munmap, address, bytes);
}
