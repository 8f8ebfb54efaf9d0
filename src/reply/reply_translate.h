/*
 * reply_translate.h
 *		The texts of a JSON tree in another encoding.
 */
#ifndef HUBSPOT_REPLY_TRANSLATE_H
#define HUBSPOT_REPLY_TRANSLATE_H

#include "reply/reply.h"

/*
 * Translate all strings and names.  False if memory ran out: then the tree has been
 * freed, and *root is NULL.
 */
extern bool reply_translate_tree(struct json_object **root, ReplyTranslator translator);

#endif							/* HUBSPOT_REPLY_TRANSLATE_H */
