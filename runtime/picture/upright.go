package picture

import "encoding/binary"

// orientation is what a JPEG's Exif says of how the camera was held: 1 to 8, and 1 where it says nothing.
// What is malformed says nothing.
func orientation(b []byte) int {
	for at := 2; at+4 <= len(b) && b[at] == 0xff; {
		marker, size := b[at+1], int(binary.BigEndian.Uint16(b[at+2:]))
		if marker == 0xda || size < 2 || at+2+size > len(b) { // the picture itself begins
			return 1
		}
		if body := b[at+4 : at+2+size]; marker == 0xe1 && len(body) > 6 && string(body[:6]) == "Exif\x00\x00" {
			return exifOrientation(body[6:])
		}
		at += 2 + size
	}
	return 1
}

// exifOrientation finds the tag in the first directory of a TIFF header.
func exifOrientation(tiff []byte) int {
	const tag, entry = 0x0112, 12
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case len(tiff) < 8:
		return 1
	case string(tiff[:2]) == "MM":
		order = binary.BigEndian
	case string(tiff[:2]) != "II":
		return 1
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 1
	}
	n := int64(order.Uint16(tiff[at:]))
	for i := range n {
		from := at + 2 + entry*i
		if from+entry > int64(len(tiff)) {
			return 1
		}
		if order.Uint16(tiff[from:]) == tag {
			if v := int(order.Uint16(tiff[from+8:])); v >= 1 && v <= 8 {
				return v
			}
			return 1
		}
	}
	return 1
}

// upright turns and mirrors a picture as its orientation asks for.
func (p Picture) upright(orientation int) Picture {
	if orientation == 1 {
		return p
	}
	w, h := p.Width, p.Height
	from := map[int]func(x, y int) (int, int){ // of a place in the result
		2: func(x, y int) (int, int) { return w - 1 - x, y },
		3: func(x, y int) (int, int) { return w - 1 - x, h - 1 - y },
		4: func(x, y int) (int, int) { return x, h - 1 - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return y, h - 1 - x },
		7: func(x, y int) (int, int) { return w - 1 - y, h - 1 - x },
		8: func(x, y int) (int, int) { return w - 1 - y, x },
	}[orientation]
	turned := Picture{Width: w, Height: h, Pix: make([]byte, len(p.Pix))}
	if orientation >= 5 {
		turned.Width, turned.Height = h, w
	}
	turned.each(func(x, y int, to []byte) {
		fx, fy := from(x, y)
		copy(to, p.Pix[3*(fy*w+fx):][:3])
	})
	return turned
}
