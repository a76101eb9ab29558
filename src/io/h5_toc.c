/* Lets the helper tell what is in a file, and decodes its answer: every length is checked against what is there, every
 * number of an object against how many there are. */
#include "io/h5_toc.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "io/apart.h"
#include "io/h5_internal.h"
#include "io/h5_library.h"

#define LEAST_MEMORY ((size_t)64 << 20)
#define MEMORY_PER_BYTE 4 /* a file may cost 64 MiB and four times its size (reliability.md 5) */
#define PROCESSOR_SECONDS 60
#define SECONDS 120

/* Reading the answer.  After the first thing that cannot be, `bad` is set and everything is 0. */
typedef struct cursor {
  const char *at;
  size_t left;
  bool bad;
} cursor;

static const char *take(cursor *c, size_t size) {
  if (c->bad || size > c->left) {
    c->bad = true;
    return NULL;
  }
  const char *bytes = c->at;
  c->at += size;
  c->left -= size;
  return bytes;
}

static void copy(cursor *c, void *to, size_t size) {
  const char *bytes = take(c, size);
  if (bytes == NULL) {
    memset(to, 0, size);
  } else {
    memcpy(to, bytes, size);
  }
}

static uint32_t take_number(cursor *c) {
  uint32_t n;
  copy(c, &n, sizeof n);
  return n;
}

/* A number of things of `each` bytes, and the things. */
static const char *take_list(cursor *c, size_t each, size_t *count) {
  uint64_t n;
  size_t bytes;
  copy(c, &n, sizeof n);
  c->bad = c->bad || !kl_mul_size(n, each, &bytes);
  *count = c->bad ? 0 : (size_t)n;
  return c->bad ? NULL : take(c, bytes);
}

static const char *take_text(cursor *c, size_t *size) {
  *size = take_number(c);
  const char *text = c->bad ? NULL : take(c, *size + 1);
  c->bad = c->bad || memchr(text, '\0', *size + 1) != text + *size;
  return c->bad ? "" : text;
}

/* Words for a message: printable, whatever was in the file. */
static const char *take_words(cursor *c, kl_buffer *answer) {
  size_t size;
  const char *text = take_text(c, &size);
  if (size > 0 && !c->bad) {
    kl_h5_make_printable(answer->data + (text - answer->data), size);
  }
  return text;
}

static size_t count_of(const kl_buffer *b, size_t each) { return b->size / each; }

static kl_status take_link(kl_h5_toc *toc, kl_h5_object *o, cursor *c) {
  kl_h5_link link;
  link.name = take_text(c, &link.size);
  uint32_t kind = take_number(c);
  link.object = take_number(c);
  c->bad = c->bad || kind > KL_H5_BEYOND;
  link.kind = c->bad ? KL_H5_USER : (kl_h5_link_kind)kind;
  o->links++;
  return kl_buffer_append(&toc->links, &link, sizeof link);
}

static int compare_links(const void *a, const void *b) {
  return strcmp(((const kl_h5_link *)a)->name, ((const kl_h5_link *)b)->name);
}

static kl_status take_group(kl_h5_toc *toc, kl_h5_object *o, cursor *c) {
  o->kind = KL_H5_GROUP;
  for (uint32_t tag = KL_H5_TAG_LINK; tag == KL_H5_TAG_LINK;) {
    tag = take_number(c);
    if (tag == KL_H5_TAG_LINK) {
      KL_TRY(take_link(toc, o, c));
    } else if (tag == KL_H5_TAG_PROBLEM) {
      o->problem = take_words(c, &toc->answer);
    } else {
      o->more = tag == KL_H5_TAG_MORE;
      c->bad = c->bad || (tag != KL_H5_TAG_MORE && tag != KL_H5_TAG_END);
    }
  }
  if (o->links > 1) {
    qsort((kl_h5_link *)(void *)toc->links.data + o->link, o->links, sizeof(kl_h5_link), compare_links);
  }
  return KL_OK;
}

static kl_status take_dataset(kl_h5_toc *toc, kl_h5_object *o, cursor *c) {
  kl_h5_facts facts;
  copy(c, &facts, sizeof facts);
  facts.filter_name[sizeof facts.filter_name - 1] = '\0';
  kl_h5_make_printable(facts.filter_name, strlen(facts.filter_name));
  o->kind = KL_H5_DATASET;
  o->facts = count_of(&toc->facts, sizeof facts);
  copy(c, &o->written, sizeof o->written);
  o->chunk = take_list(c, sizeof(kl_h5_chunk), &o->chunks);
  o->bytes = take_list(c, 1, &o->size);
  return kl_buffer_append(&toc->facts, &facts, sizeof facts);
}

/* What is said about the attributes of the object before. */
static kl_status take_attribute(kl_h5_toc *toc, uint32_t tag, cursor *c) {
  size_t size, objects = count_of(&toc->objects, sizeof(kl_h5_object));
  if (objects == 0) {
    c->bad = true;
    return KL_OK;
  }
  kl_h5_object *o = (kl_h5_object *)(void *)toc->objects.data + objects - 1;
  if (tag == KL_H5_TAG_LOST) {
    o->lost = take_words(c, &toc->answer);
    return KL_OK;
  }
  kl_h5_named a = {.name = take_text(c, &size)};
  copy(c, &a.facts, sizeof a.facts);
  a.bytes = take_list(c, 1, &a.size);
  o->attributes++;
  return kl_buffer_append(&toc->attributes, &a, sizeof a);
}

static kl_status take_object(kl_h5_toc *toc, uint32_t tag, cursor *c) {
  if (count_of(&toc->objects, sizeof(kl_h5_object)) == KL_H5_MAX_OBJECTS + 1) { /* with the root */
    c->bad = true; /* an object takes more memory here than in the answer */
    return KL_OK;
  }
  kl_h5_object o = {.link = count_of(&toc->links, sizeof(kl_h5_link)),
                    .attribute = count_of(&toc->attributes, sizeof(kl_h5_named))};
  if (tag == KL_H5_TAG_GROUP) {
    KL_TRY(take_group(toc, &o, c));
  } else if (tag == KL_H5_TAG_DATASET) {
    KL_TRY(take_dataset(toc, &o, c));
  } else if (tag == KL_H5_TAG_BROKEN || tag == KL_H5_TAG_UNREADABLE) {
    o.kind = tag == KL_H5_TAG_BROKEN ? KL_H5_NOTHING : KL_H5_DATASET;
    o.problem = take_words(c, &toc->answer);
  } else {
    c->bad = c->bad || tag != KL_H5_TAG_OTHER;
  }
  return kl_buffer_append(&toc->objects, &o, sizeof o);
}

static bool leads_nowhere(const kl_h5_toc *toc) {
  const kl_h5_link *links = (const kl_h5_link *)(const void *)toc->links.data;
  for (size_t i = 0; i < count_of(&toc->links, sizeof *links); i++) {
    if (links[i].kind == KL_H5_TO_OBJECT && links[i].object >= count_of(&toc->objects, sizeof(kl_h5_object))) {
      return true;
    }
  }
  return false;
}

static kl_status fail_answer(const char *name) {
  return kl_fail(KL_EIO, "%s: the helper process that reads its structure gave an answer that cannot be", name);
}

static kl_status decode(const char *name, kl_h5_toc *toc) {
  cursor c = {toc->answer.data, toc->answer.size, false};
  c.bad = take_number(&c) != KL_H5_TOC_MARK;
  copy(&c, &toc->end, sizeof toc->end);
  uint32_t tag = take_number(&c);
  if (!c.bad && tag == KL_H5_TAG_REFUSED) {
    const char *words = take_words(&c, &toc->answer);
    return c.bad ? fail_answer(name) : kl_fail(KL_EIO, "%s: not a whole HDF5 file: HDF5: %.300s", name, words);
  }
  for (; !c.bad && tag != KL_H5_TAG_END; tag = take_number(&c)) {
    bool about = tag == KL_H5_TAG_ATTRIBUTE || tag == KL_H5_TAG_LOST;
    KL_TRY(about ? take_attribute(toc, tag, &c) : take_object(toc, tag, &c));
  }
  bool bad = c.bad || c.left > 0 || toc->objects.size == 0 || leads_nowhere(toc);
  return bad ? fail_answer(name) : KL_OK;
}

/* Why there is no answer, if there is none. */
static kl_status check_end(const char *name, const kl_apart_result *r) {
  static const char *const harm = "it is damaged, or made to do harm";
  if (r->late) {
    return kl_fail(KL_EIO, "%s: the HDF5 library was still reading its structure when its time was over: %s", name,
                   harm);
  }
  if (r->talks) {
    return kl_fail(KL_EIO, "%s: its structure is larger than a file of its size has: %s", name, harm);
  }
  if (r->killed == 0) {
    return kl_fail(KL_EIO,
                   "%s: the helper process that reads its structure ended without an answer, for want of memory", name);
  }
  /* SIGKILL also ends what is done, so it tells something only where the answer is not whole. */
  if (r->killed == SIGKILL) {
    return kl_fail(KL_EIO, "%s: reading its structure was ended by the system after too much time or memory: %s", name,
                   harm);
  }
  return kl_fail(KL_EIO, "%s: the HDF5 library crashed on it (signal %d): %s", name, r->killed, harm);
}

static bool is_whole(const kl_buffer *answer) {
  uint32_t tag = 0;
  if (answer->size >= sizeof tag) {
    memcpy(&tag, answer->data + answer->size - sizeof tag, sizeof tag);
  }
  return tag == KL_H5_TAG_END;
}

kl_status kl_h5_toc_make(const kl_h5_source *s, kl_h5_toc *out) {
  size_t memory = s->size > (SIZE_MAX / 2 - LEAST_MEMORY) / MEMORY_PER_BYTE ? SIZE_MAX / 2
                                                                            : LEAST_MEMORY + s->size * MEMORY_PER_BYTE;
  kl_apart_limits limits = {memory, memory, PROCESSOR_SECONDS, SECONDS};
  kl_apart_result result;
  *out = (kl_h5_toc){.has_attributes = s->attributes};
  KL_TRY(kl_h5_enter()); /* before the fork: started once, not in every helper */
  kl_h5_source given = *s;
  KL_TRY(kl_apart_run(s->name, kl_h5_tell, &given, s->image == NULL ? s->file : -1, &limits, &result));
  out->answer = result.answer;
  bool ended = result.late || result.talks || result.killed != 0 || result.answer.size == 0;
  kl_status status = ended && !is_whole(&out->answer) ? check_end(s->name, &result) : decode(s->name, out);
  if (status != KL_OK) {
    kl_h5_toc_release(out);
  }
  return status;
}

void kl_h5_toc_release(kl_h5_toc *toc) {
  kl_buffer_release(&toc->answer);
  kl_buffer_release(&toc->facts);
  kl_buffer_release(&toc->objects);
  kl_buffer_release(&toc->links);
  kl_buffer_release(&toc->attributes);
}

const kl_h5_object *kl_h5_toc_object(const kl_h5_toc *toc, uint32_t number) {
  return (const kl_h5_object *)(const void *)toc->objects.data + number;
}

const kl_h5_link *kl_h5_toc_links(const kl_h5_toc *toc, const kl_h5_object *group) {
  return group->links == 0 ? NULL : (const kl_h5_link *)(const void *)toc->links.data + group->link;
}

const kl_h5_facts *kl_h5_toc_facts(const kl_h5_toc *toc, const kl_h5_object *dataset) {
  return (const kl_h5_facts *)(const void *)toc->facts.data + dataset->facts;
}

const kl_h5_link *kl_h5_toc_find(const kl_h5_toc *toc, const kl_h5_object *group, const char *name, size_t size) {
  const kl_h5_link *links = kl_h5_toc_links(toc, group);
  for (size_t low = 0, high = group->links; low < high;) {
    size_t middle = (low + high) / 2;
    int order = strncmp(links[middle].name, name, size);
    order = order != 0 ? order : links[middle].name[size] != '\0';
    if (order == 0) {
      return &links[middle];
    }
    low = order < 0 ? middle + 1 : low;
    high = order < 0 ? high : middle;
  }
  return NULL;
}

const kl_h5_named *kl_h5_toc_attribute(const kl_h5_toc *toc, const kl_h5_object *object, const char *name) {
  for (size_t i = 0; i < object->attributes; i++) {
    const kl_h5_named *a = (const kl_h5_named *)(const void *)toc->attributes.data + object->attribute + i;
    if (strcmp(a->name, name) == 0) {
      return a;
    }
  }
  return NULL;
}
