/* Nodes.  Releasing walks a work list, not the C stack: a functional graph or a tape may be a chain of any length. */
#include "tensor/node.h"

#include <string.h>

#include "base/alloc.h"

static uint64_t next_serial = 1;

uint64_t kl_node_next_serial(void) { return next_serial++; }

static size_t node_bytes(int nattrs, int nin, int nout) {
  return sizeof(kl_node) + sizeof(kl_edge) * (size_t)(nin + nout) + sizeof(kl_attr) * (size_t)nattrs;
}

kl_node *kl_node_new(const struct kl_op *op, int nattrs, const kl_attr *attrs, int nin, kl_tensor *const *in,
                     int nout) {
  kl_node *node = kl_alloc(node_bytes(nattrs, nin, nout));
  if (node == NULL) {
    return NULL;
  }
  node->refs = 1;
  node->nin = nin;
  node->nout = nout;
  node->nattrs = nattrs;
  node->serial = next_serial++;
  node->source = 0;
  node->op = op;
  node->foreign = NULL;
  node->in = (kl_edge *)(node + 1);
  node->out = node->in + nin;
  node->attrs = (kl_attr *)(node->out + nout);
  if (nattrs > 0) {
    memcpy(node->attrs, attrs, sizeof *attrs * (size_t)nattrs);
  }
  for (int i = 0; i < nin; i++) {
    node->in[i] = (kl_edge){.id = in[i]->id, .spec = kl_tensor_spec(in[i])};
  }
  for (int i = 0; i < nout; i++) {
    node->out[i] = (kl_edge){0};
  }
  return node;
}

kl_node *kl_node_retain(kl_node *node) {
  node->refs++;
  return node;
}

static void release_contents(kl_node *node) {
  for (int i = 0; i < node->nin + node->nout; i++) {
    kl_tensor_release(node->in[i].value);
  }
  if (node->foreign != NULL) {
    node->foreign->release(node->foreign);
  }
  kl_free(node, node_bytes(node->nattrs, node->nin, node->nout));
}

void kl_node_release(kl_node *node) {
  static kl_node *dead;
  static bool draining;
  if (node == NULL || --node->refs > 0) {
    return;
  }
  node->next_dead = dead;
  dead = node;
  if (draining) {
    return;
  }
  draining = true;
  while (dead != NULL) {
    kl_node *head = dead;
    dead = head->next_dead;
    release_contents(head);
  }
  draining = false;
}
