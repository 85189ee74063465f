// Package calibration owns the file of what goes into a model's linear maps when it reads a text: for each
// tensor, and each expert of a stack, the mean square of every column of its input, and, where asked for, the mean
// product of any two columns. It knows to which model
// such a file belongs, joins files of parts of a text, and makes of them the weights under which an encoder
// chooses scales.
//
// It must not know how a model is run.
package calibration
