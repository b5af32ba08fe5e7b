package compat

import (
	"fmt"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// array derives the keywords about arrays.
func (d *derivation) array() {
	if d.w.kinds != array {
		return
	}
	low, high := d.itemCount(d.w)
	if d.r.MinItems > low {
		d.refute("min-items-raised", "minItems",
			fmt.Sprintf("at least %d items are asked for now, and a document may have %d", d.r.MinItems, low),
			fmt.Sprintf("lower minItems to %d", low))
	}
	if d.r.MaxItems >= 0 && (high < 0 || high > d.r.MaxItems) {
		d.refute("max-items-lowered", "maxItems",
			fmt.Sprintf("at most %d items are admitted now, and a document may have %s", d.r.MaxItems, orMore(high, d.r.MaxItems)),
			"raise or remove maxItems")
	}
	d.items(high)
	d.uniqueItems(high)
	d.contained(low, high)
}

// itemCount is the range of an array's length in w; high is -1 when it is
// unbounded.
func (c *check) itemCount(w *world) (low, high int) {
	low, high = lengths(w.all, func(s *v5.Schema) (int, int) { return s.MinItems, s.MaxItems })
	for i := range tupleLength(w.all) + 1 {
		if high >= 0 && i >= high {
			break
		}
		if child := c.item(w, i); child == nil || child.kinds == 0 {
			high = i
			break
		}
	}
	for _, s := range w.all {
		if s.Contains != nil {
			low = max(low, s.MinContains)
		}
	}
	return low, high
}

// tupleLength is the number of positions after which all items are alike.
func tupleLength(schemas []*v5.Schema) int {
	n := 0
	for _, s := range schemas {
		n = max(n, len(s.PrefixItems))
		if tuple, ok := s.Items.([]*v5.Schema); ok {
			n = max(n, len(tuple))
		}
	}
	return n
}

// itemOf are the schemas that s, by itself, applies to the item at a position,
// and whether it admits one there.
func itemOf(s *v5.Schema, i int) (subs []*v5.Schema, admitted bool) {
	switch items := s.Items.(type) {
	case *v5.Schema:
		subs = append(subs, items)
	case []*v5.Schema:
		if i < len(items) {
			subs = append(subs, items[i])
			break
		}
		switch additional := s.AdditionalItems.(type) {
		case bool:
			if !additional {
				return nil, false
			}
		case *v5.Schema:
			subs = append(subs, additional)
		}
	}
	switch {
	case i < len(s.PrefixItems):
		subs = append(subs, s.PrefixItems[i])
	case s.Items2020 != nil:
		subs = append(subs, s.Items2020)
	}
	return subs, true
}

// item is what the writer may have put at a position of an array, or nil if it
// cannot have put anything there.
func (c *check) item(w *world, i int) *world {
	var all []*v5.Schema
	for _, s := range w.all {
		subs, admitted := itemOf(s, i)
		if !admitted {
			return nil
		}
		all = append(all, subs...)
	}
	var scope []*v5.Schema
	if w.closed {
		for _, s := range w.scope {
			subs, _ := itemOf(s, i)
			scope = append(scope, subs...)
			if s.Contains != nil {
				scope = append(scope, s.Contains)
			}
			if s.UnevaluatedItems != nil {
				scope = append(scope, s.UnevaluatedItems)
			}
		}
	}
	return c.inherit(c.world(all, scope, w.closed), w, func(s *v5.Schema) []*v5.Schema {
		subs, _ := itemOf(s, i)
		return subs
	})
}

// items derives items, prefixItems, additionalItems and unevaluatedItems.
func (d *derivation) items(high int) {
	r := d.r
	rest, plain := d.unevaluatedItems()
	if !plain {
		d.stop("items-unevaluated", "unevaluatedItems",
			"it is not certain which items the new schema evaluates", "use items after prefixItems instead")
		return
	}
	if r.Items == nil && len(r.PrefixItems) == 0 && r.Items2020 == nil && rest == nil {
		return
	}
	tuple := max(tupleLength(d.w.all), tupleLength([]*v5.Schema{r}))
	for i := range tuple + 1 {
		if high >= 0 && i >= high {
			return
		}
		child := d.item(d.w, i)
		if child == nil || child.kinds == 0 {
			return
		}
		token := fmt.Sprint(i)
		if i == tuple {
			token = "*"
		}
		subs, admitted := itemOf(r, i)
		if !admitted && !d.nothing(child) {
			d.refute("item-refused", "additionalItems",
				fmt.Sprintf("the new schema admits %d items, and a document may have more", i), "leave additionalItems away")
		}
		if rest != nil && len(subs) == 0 {
			subs = append(subs, rest)
		}
		for _, sub := range subs {
			d.need(child, sub, d.at.at(token))
		}
	}
}

// unevaluatedItems is the schema for items that no other keyword of the reader's
// schema is about; plain is false if it cannot be told which those are.
func (d *derivation) unevaluatedItems() (rest *v5.Schema, plain bool) {
	r := d.r
	if r.UnevaluatedItems == nil || vacuous(r.UnevaluatedItems) {
		return nil, true
	}
	if _, all := r.Items.(*v5.Schema); all || r.Items2020 != nil {
		return nil, true
	}
	if _, tuple := r.Items.([]*v5.Schema); tuple && r.AdditionalItems != nil {
		return nil, true
	}
	if len(d.inPlaceOf(r)) > 1 || r.Contains != nil {
		return nil, false
	}
	return r.UnevaluatedItems, true
}

func (d *derivation) uniqueItems(high int) {
	if !d.r.UniqueItems || high >= 0 && high <= 1 {
		return
	}
	for _, s := range d.w.all {
		if s.UniqueItems {
			return
		}
	}
	d.refute("unique-items-added", "uniqueItems", "items must differ from each other now, and a document may repeat one", "leave uniqueItems away")
}

// contained derives contains, minContains and maxContains.
func (d *derivation) contained(low, high int) {
	r := d.r
	if r.Contains == nil {
		return
	}
	if r.MinContains > 0 && !d.holdsEnough(low) {
		d.stop("contains-added", "contains",
			"an item of a certain kind must be in the array now, and the old schema is not seen to ask for one", "leave contains away")
	}
	if r.MaxContains >= 0 && (high < 0 || high > r.MaxContains) && !d.holdsFewEnough() {
		d.stop("contains-limited", "maxContains",
			"items of a certain kind are limited in number now, and the old schema is not seen to limit them so", "leave maxContains away")
	}
}

func (d *derivation) holdsEnough(low int) bool {
	at := d.at.at("*")
	for _, s := range d.w.all {
		if s.Contains != nil && s.MinContains >= d.r.MinContains && d.can(d.openWorld(s.Contains), d.r.Contains, at) {
			return true
		}
	}
	if low < d.r.MinContains {
		return false
	}
	for i := range d.r.MinContains {
		child := d.item(d.w, i)
		if child == nil || !d.can(child, d.r.Contains, at) {
			return false
		}
		if i > tupleLength(d.w.all) {
			break // from here on all items are alike
		}
	}
	return true
}

func (d *derivation) holdsFewEnough() bool {
	for _, s := range d.w.all {
		if s.Contains != nil && s.MaxContains >= 0 && s.MaxContains <= d.r.MaxContains &&
			d.can(d.openWorld(d.r.Contains), s.Contains, d.at.at("*")) {
			return true
		}
	}
	return false
}
