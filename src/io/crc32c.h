/* CRC-32C (Castagnoli): reflected polynomial 0x82F63B78, initial and final xor 0xFFFFFFFF (formats.md 2.1). */
#ifndef KL_IO_CRC32C_H
#define KL_IO_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The CRC of bytes that follow others whose CRC is `crc`; 0 for the first ones.  Uses the processor's instruction where
 * there is one. */
uint32_t kl_crc32c(uint32_t crc, const void *data, size_t size);

/* The two ways to compute it, for tests.  The second may be called only where kl_crc32c_has_instruction(). */
uint32_t kl_crc32c_by_table(uint32_t crc, const void *data, size_t size);
uint32_t kl_crc32c_by_instruction(uint32_t crc, const void *data, size_t size);
bool kl_crc32c_has_instruction(void);

/* The masked form of TensorFlow's record files: a CRC of bytes that contain CRCs is weak. */
static inline uint32_t kl_crc32c_mask(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u; }

#endif
