// Package cost owns what number formats cost a model: what each tensor lost against its source's, and
// what it and the whole model may lose.
//
// It decodes what two open sources hold. It must not run a model, nor know what a user asks for in
// place of the defaults.
package cost
