package classify

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// proposed are the classes that the places of a schema have by the overlay that is
// proposed for it, after 24 events, each of which data makes.
func proposed(t *testing.T, schema string, data func(i int) map[string]any) (classes map[string]mask.Class, overlay *mask.Overlay, text string) {
	t.Helper()
	c := compile(t, "shop.person.seen", schema, nil)
	collector := New()
	if err := collector.Schema(c); err != nil {
		t.Fatal(err)
	}
	for i := range 24 {
		event, err := json.Marshal(data(i))
		if err != nil {
			t.Fatal(err)
		}
		if err := collector.Event(c, event); err != nil {
			t.Fatal(err)
		}
	}
	text = string(Overlay(collector.Proposals(), "for a test"))
	overlay, err := mask.ParseOverlay("proposed.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	found, err := compile(t, "shop.person.seen", schema, overlay).Classify()
	if err != nil {
		t.Fatal(err)
	}
	classes = map[string]mask.Class{}
	for _, p := range found.Places {
		name := p.Pointer
		if p.Names {
			name += " names"
		}
		classes[name] = p.Class
	}
	return classes, overlay, text
}

var firstNames = []string{"Aurelia", "Bartholomew", "Cosimo", "Dagny", "Eulalia", "Fridolin"}

// A field would be proposed as one that crosses as it is, because its name ends like
// that of a state or a kind, or its values are few or small.
func TestNothingPersonalPasses(t *testing.T) {
	classes, _, text := proposed(t, `{"type":"object","properties":{
		"maritalStatus":{"type":"string"}, "bloodType":{"type":"string"}, "gender":{"enum":["f","m"]}, "isPregnant":{"type":"boolean"}, "smokerType":{"type":"string"}, "wedding_state":{"type":"string"},
		"age":{"type":"integer"}, "children_count":{"type":"integer"}, "bonus":{"type":"number"}, "shoe":{"type":"integer"}, "born":{"type":"integer"},
		"type":{"type":"string"}, "kind":{"type":"string"}, "first_name":{"type":"string"}, "status":{"type":"string"}, "order_status":{"type":"string"}, "done":{"type":"boolean"},
		"home":{"type":"object","properties":{"city":{"type":"string"},"zip":{"type":"string"},"state":{"type":"string"},"line1":{"type":"string"}}}, "order":{"type":"object","properties":{"state":{"type":"string"}}}}}`,
		func(i int) map[string]any {
			first := firstNames[i%6]
			return map[string]any{
				"maritalStatus": []string{"single", "married"}[i%2], "bloodType": "A", "gender": "f", "isPregnant": true, "smokerType": "heavy", "wedding_state": "planned", "age": 40 + i%3, "children_count": 2, "bonus": 5000, "shoe": 40 + i%4, "born": 7000 + i,
				"type": []string{"private", first + " (private)"}[i%2], "kind": []string{"other", strings.ToLower(first)}[i%2], "first_name": first, "status": []string{"open", "closed"}[i%2], "order_status": "paid", "done": true,
				"home": map[string]any{"city": "Ljubljana", "zip": "1000", "state": "Osrednja", "line1": "Trubarjeva cesta 3"}, "order": map[string]any{"state": "open"},
			}
		})
	for pointer, want := range map[string]mask.Class{
		"/maritalStatus": mask.Sensitive, "/bloodType": mask.Sensitive, "/gender": mask.Sensitive, "/isPregnant": mask.Sensitive, "/smokerType": mask.Sensitive, "/children_count": mask.Sensitive,
		"/age": mask.Amount, "/bonus": mask.Amount, "/shoe": mask.Amount, "/born": mask.Amount, "/first_name": mask.PersonName,
		"/home/state": mask.Address, "/home/line1": mask.Address, "/order/state": mask.Internal, "/status": mask.Internal, "/order_status": mask.Internal, "/done": "",
	} {
		if classes[pointer] != want {
			t.Errorf("%s: %q, want %q", pointer, classes[pointer], want)
		}
	}
	for _, pointer := range []string{"/type", "/kind", "/wedding_state"} {
		if passes(classes[pointer]) || classes[pointer] == "" {
			t.Errorf("%s: %q passes", pointer, classes[pointer])
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// Without a sample, a name that says little would let through what nobody has seen.
func TestUnseenIsNotPassed(t *testing.T) {
	c := compile(t, "shop.person.seen", `{"type":"object","properties":{"type":{"type":"string"},"state":{"type":"string"},"currency":{"type":"string"},"quantity":{"type":"integer"},"brand":{"type":"string"},"done":{"type":"boolean"}}}`, nil)
	collector := New()
	if err := collector.Schema(c); err != nil {
		t.Fatal(err)
	}
	for _, p := range collector.Proposals() {
		if want := map[string]mask.Class{"type": mask.Name, "state": mask.Name, "currency": mask.Internal, "quantity": mask.Amount, "brand": mask.Name}[p.Name]; p.Class != want {
			t.Errorf("%s: %s, want %s", p.Name, p.Class, want)
		}
	}
}

// What joins in the origin would not in a destination: identifiers that recur were
// redacted, and equal values had classes of their own.
func TestEqualValuesHaveOneClass(t *testing.T) {
	classes, _, text := proposed(t, `{"type":"object","properties":{
		"id":{"type":["string","integer"]}, "customer":{"type":"string"}, "cc":{"type":"array","items":{"type":"integer"}}, "owner":{"type":"string"}, "username":{"type":"string"}, "email_ids":{"type":"array","items":{"type":"integer"}}, "epoch":{"type":"integer"}}}`,
		func(i int) map[string]any {
			id := any(900_000_000_000 + i%9*77_777_777_777)
			if i%3 == 0 {
				id = fmt.Sprintf("0191d2c4-7b1a-7c3e-9f00-0000000000%02d", i)
			}
			return map[string]any{
				"id": id, "customer": fmt.Sprintf("cus_x%dK4Yq", i%5), "cc": []any{900_000_000_000 + i%9*77_777_777_777}, "owner": firstNames[i%5] + "x", "username": firstNames[i%6] + "x",
				"email_ids": []any{900_000_000_000 + (i+1)%9*77_777_777_777}, "epoch": 1_772_323_200 + 1000*i,
			}
		})
	for pointer, want := range map[string]mask.Class{"/id": mask.ID, "/customer": mask.ID, "/cc/*": mask.ID, "/owner": mask.Login, "/username": mask.Login, "/epoch": mask.Date} {
		if classes[pointer] != want {
			t.Errorf("%s: %q, want %q", pointer, classes[pointer], want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// Events would be withheld for the proposed classes: tokens that no schema leaves room
// for, or names in a map that are redacted.
func TestProposalsFitTheSchema(t *testing.T) {
	const schema = `{"type":"object","properties":{
		"id":{"type":"string","pattern":"^ev_"}, "code":{"type":"string","pattern":"^[A-Z]{3}$"}, "heading":{"type":"integer","minimum":0,"maximum":359}, "use":{"enum":["a","b"]},
		"values":{"type":"object","patternProperties":{"^value(String|Code)$":{"type":"string"}},"additionalProperties":false}, "sensors":{"type":"object","patternProperties":{"^s_[0-9]+$":{"type":"number"}},"additionalProperties":false},
		"either":{"type":"object","properties":{"use":{"anyOf":[{"const":""},{"type":"string","format":"email"}]}}},
		"both":{"type":"object","patternProperties":{"^(on|off)$":{"type":"boolean"}},"additionalProperties":{"type":"boolean"}}, "codes":{"type":"object","patternProperties":{"^[a-z]{3}$":{"type":"boolean"}},"additionalProperties":false},
		"other":{"type":"object","properties":{"use":{"type":"string"}}}, "notes":{"type":"object","additionalProperties":{"type":"string"}}}}`
	event := func(i int) map[string]any {
		return map[string]any{
			"id": fmt.Sprintf("ev_%d", i), "code": []string{"ABC", "XYZ"}[i%2], "heading": i, "use": "a", "values": map[string]any{"valueString": firstNames[i%6]}, "sensors": map[string]any{"s_1": 1.5}, "other": map[string]any{"use": "whatever " + firstNames[i%6]},
			"either": map[string]any{"use": "someone@mail.invalid"}, "both": map[string]any{strings.ToLower(firstNames[i%6]): true}, "codes": map[string]any{},
			"notes": map[string]any{"call " + firstNames[i%6] + " on +4930123456": "x", "1": "y"},
		}
	}
	_, overlay, text := proposed(t, schema, event)
	c := compile(t, "shop.person.seen", schema, overlay)
	for i := range 24 {
		data, err := json.Marshal(event(i))
		if err != nil {
			t.Fatal(err)
		}
		masked, _, err := c.Mask(nil, data, testers(t))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if strings.Contains(strings.ToLower(string(masked)), strings.ToLower(firstNames[i%6])) || strings.Contains(string(masked), "someone") || !strings.Contains(string(masked), `"use":"a"`) || !strings.Contains(string(masked), `"valueString"`) {
			t.Errorf("%s\n%s", masked, text)
		}
	}
}

// testers makes tokens of what it knows, and redacts what may be anything.
func testers(t *testing.T) *mask.Masker {
	t.Helper()
	p := mask.Policy{Classes: map[string]mask.Rule{}}
	for _, class := range mask.Classes() {
		p.Classes[string(class)] = mask.Rule{Technique: mask.Token}
	}
	for technique, classes := range map[mask.Technique][]mask.Class{mask.Pass: {mask.Public, mask.Internal}, mask.Redact: {mask.Text, mask.Sensitive, mask.Secret}} {
		for _, class := range classes {
			p.Classes[string(class)] = mask.Rule{Technique: technique}
		}
	}
	key, err := mask.NewKey([]byte("an origin's root key: 32 bytes !"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := mask.New("testers", p, "staging", key)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// What strings hold would be redacted with them, or cross because nobody looked into
// them; and so with what stands in objects that the schema says nothing of.
func TestContentsAndFreeObjects(t *testing.T) {
	const schema = `{"type":"object","properties":{"payload":{"type":"string"},"body":{"type":"string"},"blob":{"type":"string"},"some":{"type":"string"},"traits":{"type":"object","properties":{"plan":{"type":"string"}},"additionalProperties":true},"by":{"type":"object","additionalProperties":{"type":"integer"}}}}`
	event := func(i int) map[string]any {
		first := firstNames[i%6]
		inside := map[string]any{"userId": 70_000_000 + i%7, "email": fmt.Sprintf("someone%d@mail.invalid", i%7), "name": first, "prefs": map[string]any{"theme": "dark", "seen": i}, first: 1}
		text, err := json.Marshal(inside)
		if err != nil {
			t.Fatal(err)
		}
		some := "no JSON, " + first
		if i%2 == 0 {
			some = `{"a":1}`
		}
		return map[string]any{
			"payload": string(text), "body": base64.StdEncoding.EncodeToString(text), "blob": base64.StdEncoding.EncodeToString([]byte{0xff, byte(i), 0xfe, 7}), "some": some,
			"traits": map[string]any{"plan": "gold", "email": fmt.Sprintf("someone%d@mail.invalid", i%7), "visits": i, strings.ToLower(first): first, "address": map[string]any{"city": "Ljubljana", "street": "Trubarjeva cesta"}},
			"by":     map[string]any{strings.ToLower(first): i},
		}
	}
	_, overlay, text := proposed(t, schema, event)
	for _, want := range []string{"payload: {class: text, keys: name, content: json}", "body: {class: text, keys: name, content: base64-json}", "/payload/email: email", "/body/prefs/theme: ", "/payload/userId: id", "/traits/email: email", "/traits/address/city: address", "some: text\n", "blob: text\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q", want)
		}
	}
	for _, first := range firstNames {
		if strings.Contains(strings.ToLower(text), strings.ToLower(first)) {
			t.Errorf("the overlay names %s", first)
		}
	}
	c := compile(t, "shop.person.seen", schema, overlay)
	for i := range 24 {
		_, masked := crossed(t, c, event(i))
		var out struct {
			Payload, Body string
			Traits        struct{ Email string }
		}
		if err := json.Unmarshal(masked, &out); err != nil {
			t.Fatal(err)
		}
		body, err := base64.StdEncoding.DecodeString(out.Body)
		if err != nil || !json.Valid(body) || !json.Valid([]byte(out.Payload)) {
			t.Fatalf("what strings hold is not kept: %s", masked)
		}
		all := strings.ToLower(string(masked) + string(body))
		if strings.Contains(all, strings.ToLower(firstNames[i%6])) || strings.Contains(all, "someone") {
			t.Errorf("%s %s", masked, body)
		}
		var held struct{ Email string }
		if err := json.Unmarshal([]byte(out.Payload), &held); err != nil || held.Email != out.Traits.Email || held.Email == "" {
			t.Errorf("an address in a string and one outside don't join: %s", masked)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// What a schema names would be redacted as a whole where it lets other names in, too, and
// testers find nothing in such events.
func TestDeclaredNamesKeepTheirClassesBesideOthers(t *testing.T) {
	const schema = `{"type":"object","additionalProperties":true,"properties":{"mode":{"type":"string"},"done":{"type":"boolean"},"kind":{"enum":["a","b"]},"ip":{"type":"string"},"own":{"type":"string","x-lockstep-class":"login"},"isPregnant":{"type":"boolean"},
		"lan":{"type":"object","properties":{"host":{"type":"string"},"firmware":{"type":"string"}}},"by":{"type":"object","additionalProperties":{"type":"object","properties":{"qty":{"type":"integer"}}}}}}`
	event := func(i int) map[string]any {
		first := firstNames[i%6]
		return map[string]any{
			"mode": []string{"auto", "manual"}[i%2], "done": true, "kind": "a", "ip": fmt.Sprintf("11.12.13.%d", i), "own": "somebody", "isPregnant": true, "lan": map[string]any{"host": first + "s-phone", "firmware": "1.2.3"}, "by": map[string]any{first: map[string]any{"qty": i}},
			"owner_label": first, "more": map[string]any{"of": first}, first: first,
		}
	}
	classes, overlay, text := proposed(t, schema, event)
	for pointer, want := range map[string]mask.Class{
		"/mode": mask.Internal, "/done": mask.Internal, "/kind": mask.Internal, "/ip": mask.IP, "/own": mask.Login, "/isPregnant": mask.Sensitive, "/lan/firmware": mask.Internal, "/lan/host": mask.Name, "/by/*/qty": mask.Internal, "/owner_label": mask.Name, "/*": mask.Name,
	} {
		if classes[pointer] != want {
			t.Errorf("%s: %q, want %q", pointer, classes[pointer], want)
		}
	}
	c := compile(t, "shop.person.seen", schema, overlay)
	for i := range 24 {
		_, masked := crossed(t, c, event(i))
		if strings.Contains(strings.ToLower(string(masked)), strings.ToLower(firstNames[i%6])) || strings.Contains(string(masked), "somebody") || !strings.Contains(string(masked), `"firmware":"1.2.3"`) {
			t.Errorf("%s", masked)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// What stands beside a currency, a product's code or a value would be redacted for what
// is called so elsewhere, or take the others' protection from them.
func TestWhatStandsBesideSinglePlaces(t *testing.T) {
	const object = `{"type":"object","properties":{%s}}`
	schema := fmt.Sprintf(object, `"total":`+fmt.Sprintf(object, `"value":{"type":"string"},"ccy":{"type":"string"}`)+
		`,"line":`+fmt.Sprintf(object, `"sku":{"type":"string"},"tier":{"type":"string"},"loyalty":{"type":"string"},"title":{"type":"string"},"name":{"type":"string"},"price":`+fmt.Sprintf(object, `"value":{"type":"string"},"currency":{"type":"string"}`))+
		`,"gift":`+fmt.Sprintf(object, `"sku":{"type":"string"},"title":{"type":"string"},"email":{"type":"string"}`)+
		`,"traits":{"type":"array","items":`+fmt.Sprintf(object, `"name":{"type":"string"},"value":{}`)+`},"scores":{"type":"array","items":`+fmt.Sprintf(object, `"name":{"type":"string"},"value":{}`)+
		`},"odd":`+fmt.Sprintf(object, `"value":{"type":"string"},"currency":{"type":"string"}`)+`,"to":`+fmt.Sprintf(object, `"address1":{"type":"string"},"zip":{"type":"string"},"city":{"type":"string"}`)+
		`,"customer":`+fmt.Sprintf(object, `"name":{"type":"string"},"email":{"type":"string"}`))
	event := func(i int) map[string]any {
		first := firstNames[i%6]
		price := map[string]any{"value": "19.90", "currency": "EUR"}
		return map[string]any{
			"total": map[string]any{"value": fmt.Sprintf("%d.80", i), "ccy": "EUR"}, "line": map[string]any{"sku": fmt.Sprintf("T-%d", i%3), "title": []string{"Linen shirt", "Oak pen", "Lamp"}[i%3], "name": "Mug for " + first, "price": price},
			"gift":   map[string]any{"sku": "T-1", "title": "Linen shirt", "email": fmt.Sprintf("someone%d@mail.invalid", i)},
			"traits": []any{map[string]any{"name": "first_name", "value": first}, map[string]any{"name": "loyaltyTier", "value": i}}, "scores": []any{map[string]any{"name": first, "value": i}},
			"odd": map[string]any{"value": "call " + first, "currency": "EUR"}, "to": map[string]any{"address1": "Trubarjeva cesta 3, c/o " + first, "zip": fmt.Sprint(10000 + i), "city": "Ljubljana"}, "customer": map[string]any{"name": first, "email": fmt.Sprintf("someone%d@mail.invalid", i)},
		}
	}
	classes, overlay, text := proposed(t, schema, event)
	for pointer, want := range map[string]mask.Class{
		"/total/value": mask.Amount, "/total/ccy": mask.Internal, "/line/sku": mask.Internal, "/line/title": mask.Internal, "/line/price/value": mask.Internal, "/traits/*/name": mask.Internal, "/to/address1": mask.Address, "/customer/name": mask.PersonName,
	} {
		if classes[pointer] != want {
			t.Errorf("%s: %q, want %q", pointer, classes[pointer], want)
		}
	}
	for _, pointer := range []string{"/line/name", "/gift/title", "/traits/*/value", "/scores/*/name", "/scores/*/value", "/odd/value"} {
		if class := classes[pointer]; passes(class) || class == "" || class == mask.Amount {
			t.Errorf("%s: %q", pointer, class)
		}
	}
	c := compile(t, "shop.person.seen", schema, overlay)
	for i := range 24 {
		data, err := json.Marshal(event(i))
		if err != nil {
			t.Fatal(err)
		}
		masked, _, err := c.Mask(nil, data, testers(t))
		if err != nil || strings.Contains(strings.ToLower(string(masked)), strings.ToLower(firstNames[i%6])) || strings.Contains(string(masked), "someone") {
			t.Errorf("%s, %v", masked, err)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// A kind would be passed that holds what is protected elsewhere as a name nobody knows,
// or that is of each customer and not of each product.
func TestWhatIsProtectedElsewhereDoesNotPass(t *testing.T) {
	event := func(i int) map[string]any {
		first := firstNames[i%6]
		return map[string]any{
			"who": first + " Abercrombie", "kind": strings.ToLower(first) + "s_room", "brand": "abercrombie_cosmetics", "carrier": "UPS", "status": "open", "mood": "open", "channel_type": "room",
			"gift": map[string]any{"sku": "DON-1", "title": "From Zbigniew" + fmt.Sprint(i%3)}, "line": map[string]any{"sku": fmt.Sprintf("T-%d", i%3), "label": first + " mug"},
		}
	}
	classes, _, text := proposed(t, `{"type":"object","properties":{"who":{"type":"string"},"kind":{"type":"string"},"brand":{"type":"string"},"carrier":{"type":"string"},"status":{"type":"string"},"mood":{"type":"string"},"channel_type":{"type":"string"},
		"gift":{"type":"object","properties":{"sku":{"type":"string"},"title":{"type":"string"}}},"line":{"type":"object","properties":{"sku":{"type":"string"},"label":{"type":"string"}}}}}`, event)
	for pointer, want := range map[string]bool{"/who": false, "/kind": false, "/brand": false, "/gift/title": false, "/line/label": false, "/carrier": true, "/status": true, "/mood": true} {
		if class := classes[pointer]; passes(class) != want || class == "" {
			t.Errorf("%s: %q", pointer, class)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// An identifier would have two tokens, because one schema demands a pattern of it and
// another doesn't.
func TestTokensAreAlikeWhereOneSchemaDemandsAPattern(t *testing.T) {
	const schema = `{"type":"object","properties":{
		"locator":{"type":"string","pattern":"^[A-Z0-9]{6}$"},"pnr":{"type":"string"},"rid":{"type":"string","pattern":"^R[0-9]{9}$"},"keys":{"type":"object","properties":{"rid":{"type":"string"}}},
		"mixed":{"type":"string"},"short":{"type":"string","maxLength":8},"other":{"type":"object","properties":{"locator":{"type":"string","maxLength":40}}}}}`
	event := func(i int) map[string]any {
		locator, rid := fmt.Sprintf("Q%dXY%d7", i%9, i%9), fmt.Sprintf("R%09d", 31_000_000+i%7)
		mixed := locator
		if i%8 == 7 {
			mixed = "none of it 1"
		}
		return map[string]any{"locator": locator, "pnr": locator, "rid": rid, "keys": map[string]any{"rid": rid}, "mixed": mixed, "short": locator}
	}
	_, overlay, text := proposed(t, schema, event)
	for _, want := range []string{`pnr: {class: id, pattern: "^[A-Z0-9]{6}$"}`, `/keys/rid: {class: id, pattern: "^R[0-9]{9}$"}`} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q", want)
		}
	}
	if strings.Count(text, "pattern:") != 2 {
		t.Error("more have a pattern than should")
	}
	c := compile(t, "shop.person.seen", schema, overlay)
	for i := range 24 {
		data, masked := crossed(t, c, event(i))
		var out struct {
			Locator, PNR, RID string
			Keys              struct{ RID string }
		}
		if err := json.Unmarshal(masked, &out); err != nil || out.Locator != out.PNR || out.RID != out.Keys.RID || strings.Contains(string(data), out.RID) {
			t.Errorf("%s, %v", masked, err)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}
