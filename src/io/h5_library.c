/* HDF5 on our terms: no exit handler (a failed flush would crash in it), no printing, no filter plug-ins; its errors as
 * words, and the table of types. */
#include "io/h5_library.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static pthread_once_t start_once = PTHREAD_ONCE_INIT;
static bool started;

static void start(void) {
  H5dont_atexit(); /* fails if another part of the process has started the library: then it is that part's choice */
  started = H5open() >= 0 && H5PLset_loading_state(0) >= 0;
}

kl_status kl_h5_enter(void) {
  pthread_once(&start_once, start);
  if (!started || H5Eset_auto2(H5E_DEFAULT, NULL, NULL) < 0) { /* the error stack belongs to the thread */
    return kl_fail(KL_EIO, "the HDF5 library does not start");
  }
  return KL_OK;
}

static herr_t keep_first(unsigned n, const H5E_error2_t *error, void *text) {
  if (n == 0) {
    snprintf(text, KL_H5_WORDS, "%s", error->desc == NULL || *error->desc == '\0' ? "failed" : error->desc);
  }
  return 0;
}

const char *kl_h5_words(char text[KL_H5_WORDS]) {
  snprintf(text, KL_H5_WORDS, "no reason given");
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, text); /* upward: the innermost comes first */
  H5Eclear2(H5E_DEFAULT);
  return text;
}

kl_status kl_h5_fail(const char *file, const char *what) {
  char text[KL_H5_WORDS];
  return kl_fail(KL_EIO, "%s: %s: HDF5: %s", file, what, kl_h5_words(text));
}

void kl_h5_image_name(char name[KL_H5_IMAGE_NAME]) {
  static atomic_ullong count;
  snprintf(name, KL_H5_IMAGE_NAME, "/dev/null/kl-%llu", atomic_fetch_add(&count, 1));
}

/* HDF5 1.10 has no name for IEEE binary16: made as h5py makes it. */
static hid_t new_half(bool big) {
  hid_t type = H5Tcopy(big ? H5T_IEEE_F32BE : H5T_IEEE_F32LE);
  if (type >= 0 &&
      (H5Tset_fields(type, 15, 10, 5, 0, 10) < 0 || H5Tset_size(type, 2) < 0 || H5Tset_ebias(type, 15) < 0)) {
    H5Tclose(type);
    return -1;
  }
  return type;
}

/* What h5py makes of NumPy's bool. */
static hid_t new_bool(void) {
  const signed char values[2] = {0, 1};
  hid_t type = H5Tenum_create(H5T_STD_I8LE);
  if (type >= 0 && (H5Tenum_insert(type, "FALSE", &values[0]) < 0 || H5Tenum_insert(type, "TRUE", &values[1]) < 0)) {
    H5Tclose(type);
    return -1;
  }
  return type;
}

hid_t kl_h5_type_of(kl_element e) {
  if (e.kind == KL_ELEMENT_BOOL) {
    return new_bool();
  }
  int log = e.size == 1 ? 0 : e.size == 2 ? 1 : e.size == 4 ? 2 : 3;
  if (e.kind == KL_ELEMENT_FLOAT) {
    return e.size == 2   ? new_half(e.big)
           : e.size == 4 ? H5Tcopy(e.big ? H5T_IEEE_F32BE : H5T_IEEE_F32LE)
                         : H5Tcopy(e.big ? H5T_IEEE_F64BE : H5T_IEEE_F64LE);
  }
  const hid_t types[2][2][4] = {
      {{H5T_STD_U8LE, H5T_STD_U16LE, H5T_STD_U32LE, H5T_STD_U64LE},
       {H5T_STD_U8BE, H5T_STD_U16BE, H5T_STD_U32BE, H5T_STD_U64BE}},
      {{H5T_STD_I8LE, H5T_STD_I16LE, H5T_STD_I32LE, H5T_STD_I64LE},
       {H5T_STD_I8BE, H5T_STD_I16BE, H5T_STD_I32BE, H5T_STD_I64BE}},
  };
  return H5Tcopy(types[e.kind == KL_ELEMENT_SIGNED][e.big][log]);
}

bool kl_h5_element_of(hid_t type, kl_element *out) {
  size_t size = H5Tget_size(type);
  if (size != 1 && size != 2 && size != 4 && size != 8) {
    return false;
  }
  H5T_class_t class = H5Tget_class(type);
  if (class == H5T_ENUM && size == 1) {
    hid_t known = new_bool();
    htri_t equal = known < 0 ? -1 : H5Tequal(known, type);
    H5Tclose(known);
    *out = (kl_element){KL_ELEMENT_BOOL, 1, false};
    return equal > 0;
  }
  if (class != H5T_INTEGER && class != H5T_FLOAT) {
    return false;
  }
  for (int trial = 0; trial < 4; trial++) {
    kl_element e = {.size = (int)size, .big = trial & 1};
    e.kind = class == H5T_FLOAT ? KL_ELEMENT_FLOAT : trial < 2 ? KL_ELEMENT_UNSIGNED : KL_ELEMENT_SIGNED;
    if (e.kind == KL_ELEMENT_FLOAT && size == 1) {
      return false;
    }
    hid_t known = kl_h5_type_of(e);
    htri_t equal = known < 0 ? -1 : H5Tequal(known, type);
    H5Tclose(known);
    if (equal > 0) {
      *out = e;
      return true;
    }
  }
  return false;
}
