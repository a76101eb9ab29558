/* CRC-32C by eight tables (slicing-by-8) and by SSE4.2's instruction. */
#include "io/crc32c.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <nmmintrin.h>
#define HAVE_SSE42 1
#else
#define HAVE_SSE42 0
#endif

static uint32_t tables[8][256]; /* tables[k][b]: byte b followed by k zero bytes */
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void make_tables(void) {
  for (uint32_t b = 0; b < 256; b++) {
    uint32_t crc = b;
    for (int bit = 0; bit < 8; bit++) {
      crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    tables[0][b] = crc;
  }
  for (int k = 1; k < 8; k++) {
    for (int b = 0; b < 256; b++) {
      tables[k][b] = tables[k - 1][b] >> 8 ^ tables[0][tables[k - 1][b] & 0xFF];
    }
  }
}

uint32_t kl_crc32c_by_table(uint32_t crc, const void *data, size_t size) {
  const unsigned char *p = data;
  pthread_once(&tables_once, make_tables);
  crc = ~crc;
  for (; size >= 8; p += 8, size -= 8) {
    crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    crc = tables[7][crc & 0xFF] ^ tables[6][crc >> 8 & 0xFF] ^ tables[5][crc >> 16 & 0xFF] ^ tables[4][crc >> 24] ^
          tables[3][p[4]] ^ tables[2][p[5]] ^ tables[1][p[6]] ^ tables[0][p[7]];
  }
  for (; size > 0; p++, size--) {
    crc = crc >> 8 ^ tables[0][(crc ^ *p) & 0xFF];
  }
  return ~crc;
}

#if HAVE_SSE42
__attribute__((target("sse4.2"))) uint32_t kl_crc32c_by_instruction(uint32_t crc, const void *data, size_t size) {
  const unsigned char *p = data;
  uint64_t wide = ~crc;
  for (; size >= 8; p += 8, size -= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = (uint32_t)wide;
  for (; size > 0; p++, size--) {
    crc = _mm_crc32_u8(crc, *p);
  }
  return ~crc;
}

bool kl_crc32c_has_instruction(void) { return __builtin_cpu_supports("sse4.2"); }
#else
uint32_t kl_crc32c_by_instruction(uint32_t crc, const void *data, size_t size) {
  return kl_crc32c_by_table(crc, data, size);
}

bool kl_crc32c_has_instruction(void) { return false; }
#endif

uint32_t kl_crc32c(uint32_t crc, const void *data, size_t size) {
  return kl_crc32c_has_instruction() ? kl_crc32c_by_instruction(crc, data, size) : kl_crc32c_by_table(crc, data, size);
}
