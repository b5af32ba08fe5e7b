package classify

import (
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/mask/detect"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// kin is what the properties beside one are about: the state in an address is none
// of an order.
type kin byte

const (
	ofNothing kin = 0
	ofAddress kin = 1 << (iota - 1)
	ofPerson
)

// partOfAddress are names that beside parts of an address are such, too.
var partOfAddress = map[string]bool{
	"line": true, "state": true, "region": true, "province": true, "provincecode": true, "regioncode": true, "district": true, "county": true, "locality": true, "area": true,
	"building": true, "floor": true, "apartment": true, "suite": true, "number": true, "text": true, "prefecture": true, "neighbourhood": true, "neighborhood": true,
}

// families are the names of the properties of each object.
type families map[string]map[string]bool

// siblings finds out what stands beside what.
func siblings(places []contract.Place) families {
	all := families{}
	for _, p := range places {
		if !p.Names {
			all.add(p.Pointer)
		}
	}
	return all
}

// add notes all names on the way to a place.
func (f families) add(pointer string) {
	for pointer != "" {
		at := strings.LastIndexByte(pointer, '/')
		parent, name := pointer[:at], jsonschema.UnescapeToken(pointer[at+1:])
		if f[parent][name] {
			return
		}
		if f[parent] == nil {
			f[parent] = map[string]bool{}
		}
		f[parent][name] = true
		pointer = parent
	}
}

// of is what stands beside the property that leads to a place.
func (f families) of(pointer string) kin {
	pointer = strings.TrimRight(pointer, "/*")
	at := strings.LastIndexByte(pointer, '/')
	if at < 0 {
		return ofNothing
	}
	return kinOf(f[pointer[:at]])
}

// kinOf is what an object with properties of these names is about.
func kinOf(names map[string]bool) kin {
	const sure = 0.7
	address, person := 0, 0
	for name := range names {
		h, ok := detect.Named(name)
		switch {
		case !ok:
		case h.Class == mask.Address:
			address++
		case h.Confidence >= sure && (h.Class == mask.Email || h.Class == mask.Phone || h.Class == mask.PersonName || h.Class == mask.Login):
			person++
		}
		if partOfAddress[strings.Join(detect.Words(name), "")] {
			address++
		}
	}
	about := ofNothing
	if address > 1 {
		about |= ofAddress
	}
	if person > 0 {
		about |= ofPerson
	}
	return about
}

// says is what the kin makes of a name that by itself says less.
func (k kin) says(name string) (class mask.Class, evidence string) {
	word := strings.Join(detect.Words(name), "")
	switch {
	case k&ofAddress != 0 && partOfAddress[word]:
		return mask.Address, "parts of a postal address stand beside it"
	case k&ofPerson != 0 && word == "name":
		return mask.PersonName, "what identifies a person stands beside it"
	}
	return "", ""
}
