// Package vision is the tower of a model that sees pictures: patches go in, and for every square of
// them that becomes one token, what stands in that token's place. The towers of Qwen3.5 and 3.6 and of
// Qwen3-VL are one: the latter's also hands on what some blocks in between have made (deepstack).
//
// It must not know files of pictures, prompts or the text model.
package vision
