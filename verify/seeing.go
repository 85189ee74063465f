package verify

import (
	"image"
	"image/color"

	"qimport/verify/drawn"
)

// A drawn picture has sides that are multiples of what a token covers, and is no square: rows that are
// taken for columns show.
const (
	drawnWidth  = 128
	drawnHeight = 96
)

// sketch is a built-in picture.
type sketch struct {
	name string
	file []byte
}

func draw(name string, shapes ...drawn.Shape) sketch {
	return sketch{name, drawn.PNG(drawnWidth, drawnHeight, shapes...)}
}

// colours are those that are asked for, by their names.
func colours() map[string]color.RGBA {
	return map[string]color.RGBA{"red": drawn.Red, "green": drawn.Green, "blue": drawn.Blue, "yellow": drawn.Yellow}
}

// circleAt and squareAt are shapes that every tower should be able to tell.
func circleAt(colour string, x, y int) drawn.Shape {
	return drawn.Shape{Circle: true, Colour: colours()[colour], At: image.Pt(x, y), Reach: 18}
}

func squareAt(colour string, x, y int) drawn.Shape {
	return drawn.Shape{Colour: colours()[colour], At: image.Pt(x, y), Reach: 15}
}

// oneCircle is a picture of a circle in its middle.
func oneCircle(colour string) sketch { return draw("a "+colour+" circle", circleAt(colour, 64, 48)) }

// cornersPicture has shapes in two corners.
func cornersPicture() sketch {
	return draw("a red circle and a green one", circleAt("red", 100, 24), circleAt("green", 28, 72))
}

// about is a question about pictures.
func about(prompt, expect string, pictures ...sketch) Case {
	c := Case{Prompt: prompt, Expect: expect}
	for _, p := range pictures {
		c.Pictures, c.files = append(c.Pictures, p.name), append(c.files, p.file)
	}
	return c
}

// colourCase asks for the colour of a circle.
func colourCase(colour string) Case {
	return about("What colour is the circle?", `(?i)\b`+colour+`\b`, oneCircle(colour))
}

// orderCase asks what the second of two pictures shows.
func orderCase(first, second string) Case {
	return about("What is in the second picture?", `(?i)\b`+second+`\b`, oneCircle(first), oneCircle(second))
}

// seeingCases are asked of a model that can be shown pictures, after the default ones, when nobody gives any:
// colours, which show channels that are swapped; a count and a place, which show patches that are out of order;
// and which of two pictures came second. A tower that is not the model's answers fluently, and wrongly.
func seeingCases() []Case {
	two := draw("a red circle and a blue square", circleAt("red", 100, 24), squareAt("blue", 28, 72))
	return []Case{
		colourCase("red"),
		colourCase("blue"),
		about("How many shapes are in the picture?", `(?i)\b(2|two)\b`, two),
		about("What is in the bottom left?", `(?i)\bgreen\b`, cornersPicture()),
		orderCase("red", "green"),
	}
}
