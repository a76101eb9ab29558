/* Checking UTF-8 by the table of well-formed byte sequences (Unicode 15, table 3-7). */
#include "io/utf8.h"

size_t kl_utf8_length(const char *text, size_t size) {
  const unsigned char *s = (const unsigned char *)text;
  if (size == 0) {
    return 0;
  }
  if (s[0] < 0x80) {
    return 1;
  }
  size_t length = s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;
  if (length == 0 || size < length) {
    return 0;
  }
  /* the second byte alone excludes overlong forms, surrogates and what is too large */
  unsigned char low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
  unsigned char high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
  if (s[1] < low || s[1] > high) {
    return 0;
  }
  for (size_t i = 2; i < length; i++) {
    if (s[i] < 0x80 || s[i] > 0xBF) {
      return 0;
    }
  }
  return length;
}

bool kl_utf8_is_valid(const char *text, size_t size) {
  while (size > 0) {
    size_t n = kl_utf8_length(text, size);
    if (n == 0) {
      return false;
    }
    text += n;
    size -= n;
  }
  return true;
}
