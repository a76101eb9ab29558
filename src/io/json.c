/* JSON: our scan, cJSON's tree, the numbers given back. */
#include "io/json.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/utf8.h"

typedef struct scan {
  const char *what;
  const char *text; /* ends with a NUL that `size` does not count */
  size_t size, at;
  char *copy;        /* for cJSON */
  kl_buffer numbers; /* uint32_t offsets of the numbers, in the order of the text */
  size_t values;
  int depth;
} scan;

static kl_status fail_at(const scan *s, size_t at, const char *problem) {
  size_t line = 1, column = 1;
  for (size_t i = 0; i < at && i < s->size; i++) {
    line += s->text[i] == '\n';
    column = s->text[i] == '\n' ? 1 : column + 1;
  }
  return kl_fail(KL_EVALUE, "%s: line %zu, column %zu: %s", s->what, line, column, problem);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static size_t skip_digits(const scan *s, size_t at) {
  while (is_digit(s->text[at])) {
    at++;
  }
  return at;
}

/* The end of the number at s->at, or that offset itself where none is. */
static size_t number_end(const scan *s) {
  size_t at = s->at + (s->text[s->at] == '-');
  if (strncmp(s->text + at, "Infinity", 8) == 0) {
    at += 8;
  } else if (strncmp(s->text + s->at, "NaN", 3) == 0) {
    at += 3;
  } else {
    size_t digits = skip_digits(s, at);
    if (digits == at || (s->text[at] == '0' && digits > at + 1)) {
      return s->at;
    }
    at = digits;
    if (s->text[at] == '.') {
      digits = skip_digits(s, at + 1);
      if (digits == at + 1) {
        return s->at;
      }
      at = digits;
    }
    if (s->text[at] == 'e' || s->text[at] == 'E') {
      size_t exponent = at + 1 + (s->text[at + 1] == '+' || s->text[at + 1] == '-');
      at = skip_digits(s, exponent);
      if (at == exponent) {
        return s->at;
      }
    }
  }
  char next = s->text[at];
  return is_digit(next) || is_letter(next) || next == '.' || next == '-' || next == '+' ? s->at : at;
}

static double to_double(const char *text) {
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* static in the C library: never fails, costs nothing */
  locale_t before = uselocale(c);
  double value = strtod(text, NULL);
  uselocale(before);
  freelocale(c);
  return value;
}

static kl_status scan_number(scan *s) {
  size_t end = number_end(s);
  if (end == s->at) {
    return fail_at(s, s->at, "this is no JSON number");
  }
  bool is_word = is_letter(s->text[end - 1]);
  if (!is_word && !isfinite(to_double(s->text + s->at))) {
    return fail_at(s, s->at, "the number does not fit in a double");
  }
  uint32_t offset = (uint32_t)s->at;
  KL_TRY(kl_buffer_append(&s->numbers, &offset, sizeof offset));
  memset(s->copy + s->at, ' ', end - s->at);
  s->copy[s->at] = '0';
  s->at = end;
  return KL_OK;
}

static kl_status scan_string(scan *s) {
  size_t begin = s->at++;
  for (;;) {
    unsigned char c = (unsigned char)s->text[s->at];
    if (s->at == s->size) {
      return fail_at(s, begin, "the string that begins here does not end");
    }
    if (c == '"') {
      s->at++;
      return KL_OK;
    }
    if (c < 0x20) {
      return fail_at(s, s->at, "a control character inside a string must be escaped");
    }
    size_t length = kl_utf8_length(s->text + s->at, s->size - s->at);
    if (length == 0) {
      return fail_at(s, s->at, "this is not valid UTF-8");
    }
    if (c == '\\') {
      if (strncmp(s->text + s->at, "\\u0000", 6) == 0) {
        return fail_at(s, s->at, "a string with the character U+0000 is not supported");
      }
      length = s->at + 1 < s->size ? 2 : 1; /* which escapes there are is for cJSON to say */
    }
    s->at += length;
  }
}

static kl_status scan_word(scan *s) {
  static const char *const words[] = {"true", "false", "null"};
  size_t end = s->at;
  while (is_letter(s->text[end])) {
    end++;
  }
  for (int i = 0; i < 3; i++) {
    if (end - s->at == strlen(words[i]) && memcmp(s->text + s->at, words[i], end - s->at) == 0) {
      s->at = end;
      return KL_OK;
    }
  }
  return fail_at(s, s->at, "this is no JSON value");
}

static kl_status scan_token(scan *s) {
  char c = s->text[s->at];
  bool is_value = true;
  switch (c) {
    case '"':
      KL_TRY(scan_string(s));
      break;
    case '{':
    case '[':
      if (++s->depth > KL_JSON_DEPTH) {
        return fail_at(s, s->at, "nested deeper than 64 levels");
      }
      s->at++;
      break;
    case ' ':
    case '\t':
    case '\n':
    case '\r':
    case '}':
    case ']':
    case ',':
    case ':':
      s->depth -= c == '}' || c == ']';
      s->at++;
      is_value = false;
      break;
    default:
      if (is_digit(c) || c == '-' || c == 'N' || c == 'I') {
        KL_TRY(scan_number(s));
      } else if (is_letter(c)) {
        KL_TRY(scan_word(s));
      } else {
        return fail_at(s, s->at, "a JSON value expected");
      }
  }
  s->values += is_value;
  return s->values <= KL_JSON_VALUES ? KL_OK : fail_at(s, s->at, "more than 4194304 values in one text");
}

static int compare_keys(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static kl_status check_keys(const scan *s, const cJSON *object) {
  size_t count = 0, i = 0;
  for (const cJSON *item = object->child; item != NULL; item = item->next) {
    count++;
  }
  if (count < 2) {
    return KL_OK;
  }
  const char **keys = kl_alloc(count * sizeof *keys);
  if (keys == NULL) {
    return KL_ENOMEM;
  }
  for (const cJSON *item = object->child; item != NULL; item = item->next) {
    keys[i++] = item->string;
  }
  qsort(keys, count, sizeof *keys, compare_keys);
  kl_status status = KL_OK;
  for (i = 1; i < count && status == KL_OK; i++) {
    if (strcmp(keys[i - 1], keys[i]) == 0) {
      status = kl_fail(KL_EVALUE, "%s: the key \"%.200s\" occurs twice in one object", s->what, keys[i]);
    }
  }
  kl_free(keys, count * sizeof *keys);
  return status;
}

/* Gives the numbers their text, and checks the keys.  The recursion is as deep as the text, at most KL_JSON_DEPTH. */
static kl_status finish(const scan *s, cJSON *item, size_t *number) {
  if (cJSON_IsNumber(item)) {
    uint32_t offset;
    memcpy(&offset, s->numbers.data + (*number)++ * sizeof offset, sizeof offset);
    item->type = cJSON_Raw | cJSON_IsReference; /* cJSON_Delete leaves the text alone */
    item->valuestring = (char *)s->text + offset;
    return KL_OK;
  }
  if (cJSON_IsObject(item)) {
    KL_TRY(check_keys(s, item));
  }
  for (cJSON *child = item->child; child != NULL; child = child->next) {
    KL_TRY(finish(s, child, number));
  }
  return KL_OK;
}

static kl_status parse(scan *s, kl_json *out) {
  if (s->size >= 3 && memcmp(s->text, "\xef\xbb\xbf", 3) == 0) {
    s->at = 3; /* a byte order mark: cJSON skips it, too */
  }
  while (s->at < s->size) {
    KL_TRY(scan_token(s));
  }
  const char *end = s->copy;
  errno = 0;
  out->root = cJSON_ParseWithLengthOpts(s->copy, s->size + 1, &end, true);
  if (out->root == NULL) {
    size_t at = (size_t)(end - s->copy);
    bool is_whole = s->depth <= 0 && s->values > 0; /* cJSON may point behind what it did not like */
    return errno == ENOMEM            ? kl_fail(KL_ENOMEM, "%s: out of memory: the system refused", s->what)
           : at < s->size || is_whole ? fail_at(s, at, "no valid JSON here")
                                      : fail_at(s, at, "the text ends too early");
  }
  size_t number = 0;
  return finish(s, out->root, &number);
}

kl_status kl_json_parse(const char *what, const char *text, size_t size, kl_json *out) {
  *out = (kl_json){0};
  if (size > KL_JSON_SIZE) {
    return kl_fail(KL_EVALUE, "%s: JSON of at most %zu bytes expected, got %zu", what, KL_JSON_SIZE, size);
  }
  scan s = {.what = what, .size = size};
  kl_status status = kl_buffer_reserve(&out->text, size + 1);
  if (status == KL_OK) {
    kl_buffer_append(&out->text, text, size);
    out->text.data[size] = '\0';
    s.text = out->text.data;
    s.copy = kl_alloc(size + 1);
    status = s.copy == NULL ? KL_ENOMEM : KL_OK;
  }
  if (status == KL_OK) {
    memcpy(s.copy, s.text, size + 1);
    status = parse(&s, out);
  }
  kl_free(s.copy, size + 1);
  kl_buffer_release(&s.numbers);
  if (status != KL_OK) {
    kl_json_release(out);
  }
  return status;
}

void kl_json_release(kl_json *json) {
  cJSON_Delete(json->root);
  json->root = NULL;
  kl_buffer_release(&json->text);
}

bool kl_json_read_number(const cJSON *item, kl_json_number *out) {
  if (!cJSON_IsRaw(item)) {
    return false;
  }
  const char *text = item->valuestring;
  out->number = to_double(text);
  const char *digits = text + (*text == '-'), *end = digits;
  while (is_digit(*end)) {
    end++;
  }
  errno = 0;
  out->integer = strtoll(text, NULL, 10);
  out->is_integer = errno == 0 && end > digits && *end != '.' && *end != 'e' && *end != 'E';
  return true;
}

const cJSON *kl_json_get(const cJSON *object, const char *name) {
  return cJSON_GetObjectItemCaseSensitive(object, name);
}

kl_status kl_json_write_string(kl_buffer *out, const char *text, size_t size) {
  static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
  if (!kl_utf8_is_valid(text, size)) {
    return kl_fail(KL_EVALUE, "a string in JSON must be valid UTF-8");
  }
  KL_TRY(kl_buffer_append(out, "\"", 1));
  size_t begin = 0; /* of what has not been copied yet */
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c >= 0x20 && c != '"' && c != '\\') {
      continue;
    }
    if (c == '\0') {
      return kl_fail(KL_EVALUE, "a string in JSON with the character U+0000 is not supported");
    }
    KL_TRY(kl_buffer_append(out, text + begin, i - begin));
    begin = i + 1;
    const char *at = strchr(escaped, c);
    KL_TRY(at != NULL ? kl_buffer_format(out, "\\%c", letters[at - escaped]) : kl_buffer_format(out, "\\u%04x", c));
  }
  KL_TRY(kl_buffer_append(out, text + begin, size - begin));
  return kl_buffer_append(out, "\"", 1);
}

kl_status kl_json_write_integer(kl_buffer *out, int64_t value) {
  return kl_buffer_format(out, "%lld", (long long)value);
}

kl_status kl_json_write_number(kl_buffer *out, double value) {
  if (!isfinite(value)) {
    return kl_buffer_format(out, "%s", isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
  }
  char text[352]; /* as much as a precision could ask for; 24 bytes are used */
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  locale_t before = uselocale(c);
  int low = 1, high = 17; /* with more digits the value read back only gets nearer: a search by halves */
  while (low < high) {
    int middle = (low + high) / 2;
    snprintf(text, sizeof text, "%.*g", middle, value);
    if (strtod(text, NULL) == value) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  snprintf(text, sizeof text, "%.*g", low, value);
  uselocale(before);
  freelocale(c);
  return kl_buffer_format(out, "%s%s", text, strpbrk(text, ".e") == NULL ? ".0" : "");
}
