/* What a helper process does: walks a file with libhdf5 and tells what is there.  It judges nothing but how far to
 * look. Whatever fails becomes words about the object that it is about.  Only malloc is used here (io/apart.h); what
 * the process has taken goes with it. */
#include "io/h5_helper.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS ((size_t)1 << 18) /* of the table of addresses: more than twice as many */

void kl_h5_say_number(kl_h5_helper *h, uint32_t n) { kl_apart_say(h->process, &n, sizeof n); }

void kl_h5_say_length(kl_h5_helper *h, uint64_t n) { kl_apart_say(h->process, &n, sizeof n); }

void kl_h5_say_bytes(kl_h5_helper *h, const void *bytes, size_t size) { kl_apart_say(h->process, bytes, size); }

void kl_h5_say_text(kl_h5_helper *h, const char *text, size_t size) {
  kl_h5_say_number(h, (uint32_t)size);
  kl_h5_say_bytes(h, text, size);
  kl_h5_say_bytes(h, "", 1);
}

void kl_h5_say_words(kl_h5_helper *h, uint32_t tag) {
  char text[KL_H5_WORDS];
  kl_h5_words(text);
  kl_h5_say_number(h, tag);
  kl_h5_say_text(h, text, strlen(text));
}

/* The number of the object at an address, a new one if it has none; KL_H5_OBJECTS if there are too many. */
static uint32_t number_of(kl_h5_helper *h, haddr_t address) {
  size_t at = (size_t)((address * 0x9e3779b97f4a7c15u) >> 46) % SLOTS;
  while (h->numbers[at] != 0 && h->source->only == NULL) {
    if (h->addresses[h->numbers[at] - 1] == address) {
      return h->numbers[at] - 1;
    }
    at = (at + 1) % SLOTS;
  }
  if (h->count == KL_H5_OBJECTS) {
    return KL_H5_OBJECTS;
  }
  h->addresses[h->count++] = address;
  h->numbers[at] = (uint32_t)h->count;
  return h->numbers[at] - 1;
}

/* Groups */

static void tell_link(kl_h5_helper *h, const char *name, const H5L_info_t *info) {
  uint32_t object = info->type == H5L_TYPE_HARD ? number_of(h, info->u.address) : 0;
  kl_h5_say_number(h, KL_H5_TAG_LINK);
  kl_h5_say_text(h, name, strnlen(name, KL_H5_MAX_NAME + 1));
  kl_h5_say_number(h, info->type == H5L_TYPE_SOFT       ? KL_H5_SOFT
                      : info->type == H5L_TYPE_EXTERNAL ? KL_H5_EXTERNAL
                      : info->type != H5L_TYPE_HARD     ? KL_H5_USER
                      : object == KL_H5_OBJECTS         ? KL_H5_BEYOND
                                                        : KL_H5_TO_OBJECT);
  kl_h5_say_number(h, object);
}

typedef struct listing {
  kl_h5_helper *h;
  size_t count;
} listing;

static herr_t tell_next(hid_t group, const char *name, const H5L_info_t *info, void *data) {
  listing *l = data;
  (void)group;
  if (++l->count > KL_H5_MAX_OBJECTS) {
    return 1;
  }
  tell_link(l->h, name, info);
  return 0;
}

static void tell_all_links(kl_h5_helper *h, hid_t group) {
  listing l = {h, 0};
  herr_t result = H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, tell_next, &l);
  if (result < 0) {
    kl_h5_say_words(h, KL_H5_TAG_PROBLEM);
  } else {
    kl_h5_say_number(h, result > 0 ? KL_H5_TAG_MORE : KL_H5_TAG_END);
  }
}

static void tell_one_link(kl_h5_helper *h, hid_t group, const char *name) {
  H5L_info_t info;
  htri_t exists = H5Lexists(group, name, H5P_DEFAULT);
  if (exists < 0 || (exists > 0 && H5Lget_info(group, name, &info, H5P_DEFAULT) < 0)) {
    kl_h5_say_words(h, KL_H5_TAG_PROBLEM);
    return;
  }
  if (exists > 0) {
    tell_link(h, name, &info);
  }
  kl_h5_say_number(h, KL_H5_TAG_END);
}

/* The next name on the way to the path, which has been checked; false behind the last. */
static bool next_part(kl_h5_helper *h, const char **rest) {
  size_t size = strcspn(*rest, "/");
  if (size == 0 || size >= sizeof h->part) {
    return false;
  }
  memcpy(h->part, *rest, size);
  h->part[size] = '\0';
  *rest += size + ((*rest)[size] == '/');
  return true;
}

/* Objects */

static void tell_object(kl_h5_helper *h, const char **rest) {
  hid_t id = h->told == 0 ? H5Oopen(h->file, "/", H5P_DEFAULT) : H5Oopen_by_addr(h->file, h->addresses[h->told]);
  H5I_type_t kind = id < 0 ? H5I_BADID : H5Iget_type(id);
  if (id < 0) {
    kl_h5_say_words(h, KL_H5_TAG_BROKEN);
    return;
  }
  if (kind == H5I_GROUP) {
    kl_h5_say_number(h, KL_H5_TAG_GROUP);
    if (h->source->only == NULL) {
      tell_all_links(h, id);
    } else if (next_part(h, rest)) {
      tell_one_link(h, id, h->part);
    } else {
      kl_h5_say_number(h, KL_H5_TAG_END);
    }
  } else if (kind == H5I_DATASET) {
    kl_h5_tell_dataset(h, id);
  } else {
    kl_h5_say_number(h, KL_H5_TAG_OTHER);
  }
  if (h->source->attributes && (kind == H5I_GROUP || kind == H5I_DATASET)) {
    kl_h5_tell_attributes(h, id);
  }
  H5Oclose(id);
}

static void tell_file(kl_h5_helper *h) {
  uint64_t end;
  h->file = kl_h5_driver_open(h->source, &end);
  kl_h5_say_number(h, KL_H5_TOC_MARK);
  kl_h5_say_length(h, end);
  if (h->file < 0) {
    kl_h5_say_words(h, KL_H5_TAG_REFUSED);
  } else {
    const char *rest = h->source->only == NULL ? NULL : h->source->only + 1;
    for (h->count = 1; h->told < h->count; h->told++) {
      tell_object(h, &rest);
    }
  }
  kl_h5_say_number(h, KL_H5_TAG_END);
}

void kl_h5_tell(kl_apart *process, void *data) {
  kl_h5_source *s = data;
  s->file = process->file;
  kl_h5_helper h = {.process = process, .source = s};
  h.addresses = malloc(KL_H5_OBJECTS * sizeof *h.addresses);
  h.numbers = calloc(SLOTS, sizeof *h.numbers); /* the root has its number without an address */
  if (h.addresses != NULL && h.numbers != NULL && kl_h5_enter() == KL_OK) {
    tell_file(&h); /* otherwise no answer is an answer */
  }
  free(h.addresses);
  free(h.numbers);
}
