/* SHA-256 (FIPS 180-4), for the digests by which data sets are published. */
#ifndef KL_IO_SHA256_H
#define KL_IO_SHA256_H

#include <stddef.h>

/* The digest of the bytes as 64 hexadecimal digits. */
void kl_sha256(const void *data, size_t size, char text[65]);

#endif
