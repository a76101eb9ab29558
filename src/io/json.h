/* JSON under the limits of reliability.md F7, read by cJSON.
 *
 * cJSON turns every number into a double, takes control characters for spaces and cuts a string at U+0000.  So a scan
 * of ours goes first: it checks the UTF-8, the numbers and the depth, and shows cJSON a copy whose numbers are all 0.
 * Afterwards each number gets its own text back, and integers beyond 2^53 stay exact.  Bare NaN, Infinity and -Infinity
 * are numbers, because Keras writes them. */
#ifndef KL_IO_JSON_H
#define KL_IO_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "io/buffer.h"

#define KL_JSON_DEPTH 64
#define KL_JSON_SIZE ((size_t)64 << 20)  /* bytes */
#define KL_JSON_VALUES ((size_t)4 << 20) /* values and keys in one text: bounds cJSON's memory to some 400 MiB */

typedef struct kl_json {
  cJSON *root;
  kl_buffer text; /* the numbers' text lies here */
} kl_json;

/* Parses a whole text.  Objects have no duplicate keys afterwards.
 * Errors: KL_EVALUE, beginning with `what`, naming line, column and what was expected there; KL_ENOMEM. */
kl_status kl_json_parse(const char *what, const char *text, size_t size, kl_json *out);

/* {0} is allowed. */
void kl_json_release(kl_json *json);

typedef struct kl_json_number {
  bool is_integer; /* written without fraction and exponent, and fits */
  int64_t integer;
  double number;
} kl_json_number;

/* The number in an item; false if it holds something else.  cJSON's own functions for numbers do not apply. */
bool kl_json_read_number(const cJSON *item, kl_json_number *out);

/* A member of an object by its exact name, or NULL. */
const cJSON *kl_json_get(const cJSON *object, const char *name);

/* Appending JSON to a buffer.  A string must be valid UTF-8 without U+0000 (KL_EVALUE). */
kl_status kl_json_write_string(kl_buffer *out, const char *text, size_t size);
kl_status kl_json_write_integer(kl_buffer *out, int64_t value);

/* The fewest digits that read back as the same double, always with a point or an exponent, so that it stays a float. */
kl_status kl_json_write_number(kl_buffer *out, double value);

#endif
