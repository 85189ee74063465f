// Package answer owns what an answer's text says: the thought, the content, and the calls of tools in the two
// forms that these models write them in. It is the way back of package chat.
//
// It must not know tokens, models, or whose template asked for the answer.
package answer
