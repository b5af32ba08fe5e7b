package compat

import (
	"cmp"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// budget bounds a check: its work in units of about 50 ns. Ordinary schemas need
// a hundredth of it.
const (
	budget         = 4_000_000
	costQuestion   = 200
	costValue      = 20
	costSchema     = 20
	costTransition = 30
)

// check is one run. It is used by one goroutine.
type check struct {
	oracle
	policy Policy
	reader *v5.Schema
	writer *v5.Schema
	// writers are all parts of the writer's schema.
	writers map[*v5.Schema]bool
	// Dynamic says that a side holds references which depend on the way they are
	// reached; a part of it cannot be validated by itself then.
	readerDynamic bool
	writerDynamic bool

	locateReader func(string) (jsonschema.Origin, bool)
	locateWriter func(string) (jsonschema.Origin, bool)

	ids    map[*v5.Schema]uint32
	proven map[string]bool
	failed map[string][]Finding
	// open are the questions being answered, outermost first.
	open     []question
	openAt   map[string]int
	gate     *gate
	quiet    int // >0 while findings are not looked at
	spent    int
	ease     int  // toil that is left
	quick    bool // what is too much work is not done at all
	sameness map[[2]*v5.Schema]bool
	inPlace  map[*v5.Schema][]*v5.Schema
	weights  map[weighed]int
	patterns map[*v5.Schema][]*regexp.Regexp
	traits   map[*v5.Schema]*traits
}

type question struct {
	depth int // of the place in the document
}

// place is a place in a document.
type place struct {
	instance string
	depth    int
}

func (p place) at(token string) place {
	return place{p.instance + "/" + token, p.depth + 1}
}

func newCheck(reader, writer *v5.Schema, policy Policy) *check {
	plain := func(location string) (jsonschema.Origin, bool) {
		_, fragment, _ := strings.Cut(location, "#")
		return jsonschema.Origin{Pointer: fragment}, true
	}
	readers, readerDynamic := reach(reader)
	writers, writerDynamic := reach(writer)
	return &check{
		oracle:        newOracle(readers, writers),
		policy:        policy,
		reader:        reader,
		writer:        writer,
		writers:       writers,
		readerDynamic: readerDynamic,
		writerDynamic: writerDynamic,
		locateReader:  plain,
		locateWriter:  plain,
		ids:           map[*v5.Schema]uint32{},
		proven:        map[string]bool{},
		failed:        map[string][]Finding{},
		openAt:        map[string]int{},
		sameness:      map[[2]*v5.Schema]bool{},
		inPlace:       map[*v5.Schema][]*v5.Schema{},
		weights:       map[weighed]int{},
		patterns:      map[*v5.Schema][]*regexp.Regexp{},
		ease:          maxToil,
		traits:        map[*v5.Schema]*traits{},
	}
}

func (c *check) run() Verdict {
	w := &world{kinds: anything}
	var findings []Finding
	if !c.bounded(maxToil, func() {
		w = c.world([]*v5.Schema{c.writer}, []*v5.Schema{c.writer}, c.policy != Strict)
		findings, _ = c.contains(w, c.reader, place{})
	}) {
		findings = c.tooComplex(w, c.reader, place{})
	}
	if len(findings) == 0 {
		return Verdict{Result: Compatible}
	}
	return c.prove(mergeKinds(findings))
}

// MaxFindings bounds the findings of a verdict. Those of one place may be those of
// every way that leads to it, and nobody reads more.
const MaxFindings = 100

// noAssumption is the low mark of an answer that rests on no open question.
const noAssumption = int(^uint(0) >> 1)

// contains answers whether the reader's schema r admits every value of w: no
// findings, or why not.
//
// A question that comes up again while it is being answered, deeper in the
// document, may be assumed: documents are finite, so this is induction on their
// depth. At the same depth it may not. An answer that rests on an assumption
// must not be remembered beyond it; low is the outermost question it rests on.
func (c *check) contains(w *world, r *v5.Schema, at place) (findings []Finding, low int) {
	if r.Always != nil && *r.Always {
		return nil, noAssumption
	}
	size := len(w.all) + len(w.none) + len(w.scope) + len(w.done)
	c.spent += costSchema * size
	c.toil(toilLook * (1 + size))
	if c.exhausted() {
		return c.tooComplex(w, r, at), noAssumption
	}
	key := c.key(w, r)
	if c.proven[key] {
		return nil, noAssumption
	}
	if findings, ok := c.failed[key]; ok && (c.quiet > 0 || !slices.ContainsFunc(findings, hushed)) {
		return relocate(findings, at), noAssumption
	}
	if i, ok := c.openAt[key]; ok {
		if c.open[i].depth < at.depth {
			return nil, i
		}
		return c.finding(w, r, at, Undecided, "loop", "",
			"the schema refers to itself without going deeper into the document", "put a properties or items between the schema and its reference to itself"), noAssumption
	}

	index := len(c.open)
	c.open = append(c.open, question{depth: at.depth})
	c.openAt[key] = index
	findings, low = c.answer(w, r, at)
	c.open = c.open[:index]
	delete(c.openAt, key)

	switch {
	case len(findings) > 0:
		// Assumptions only help to prove, so a failure is a failure without them.
		c.failed[key] = relativize(findings, at)
		return findings, noAssumption
	case low >= index:
		c.proven[key] = true
		return nil, noAssumption
	}
	return nil, low
}

// admits is contains for an attempt: nobody looks at the findings.
func (c *check) admits(w *world, r *v5.Schema, at place) (bool, int) {
	c.quiet++
	findings, low := c.contains(w, r, at)
	c.quiet--
	return len(findings) == 0, low
}

func (c *check) answer(w *world, r *v5.Schema, at place) ([]Finding, int) {
	for _, s := range w.all {
		if c.same(s, r) {
			return nil, noAssumption
		}
	}
	// Kinds of values are looked at one by one: a reader's anyOf may have a branch
	// for each.
	var all []Finding
	low := noAssumption
	for _, k := range kinds {
		if w.kinds&k == 0 {
			continue
		}
		findings, l := c.answerKind(c.only(w, k), r, at)
		all = append(all, findings...)
		low = min(low, l)
		if len(all) > 0 && c.quiet > 0 {
			break
		}
	}
	all = mergeKinds(all)
	return all[:min(MaxFindings, len(all))], low
}

// mergeKinds makes one finding of those that differ in the kind of value only.
func mergeKinds(findings []Finding) []Finding {
	var out []Finding
	first := -1
	for _, f := range findings {
		if f.Rule != ruleTypeRemoved || first < 0 || f.Instance != out[first].Instance || f.ReaderPointer != out[first].ReaderPointer {
			if f.Rule == ruleTypeRemoved {
				first = len(out)
			}
			out = append(out, f)
			continue
		}
		kept := &out[first]
		old := kept.kinds.String()
		kept.kinds |= f.kinds
		kept.Why = strings.Replace(kept.Why, old, kept.kinds.String(), 1)
		kept.Cure = strings.Replace(kept.Cure, old, kept.kinds.String(), 1)
	}
	return out
}

// answerKind first tries without looking into the writer's alternatives, then
// with each of them.
func (c *check) answerKind(w *world, r *v5.Schema, at place) ([]Finding, int) {
	if c.impossible(w) {
		return nil, noAssumption
	}
	if values, finite := c.values(w); finite {
		if wholeKind(w, values) && len(r.Types) > 0 && kindOf(r.Types)&w.kinds == 0 {
			d := &derivation{check: c, w: w, r: r, at: at}
			d.kind() // says it better than a list of the values
			return d.findings, noAssumption
		}
		return c.containsValues(w, values, r, at), noAssumption
	}
	choice, more := c.nextChoice(w)
	if !more {
		return c.direct(w, r, at)
	}
	c.quiet++
	findings, low := c.direct(w, r, at)
	c.quiet--
	if len(findings) == 0 {
		return nil, low
	}
	var all []Finding
	low = noAssumption
	for _, alternative := range choice.alternatives {
		findings, l := c.contains(c.choose(w, choice, alternative), r, at)
		all = append(all, findings...)
		low = min(low, l)
		if len(all) > 0 && c.quiet > 0 {
			break
		}
	}
	return all, low
}

// direct requires every keyword of r to be implied by what is known of w, a
// world of one kind.
func (c *check) direct(w *world, r *v5.Schema, at place) ([]Finding, int) {
	d := &derivation{check: c, w: w, r: r, at: at, low: noAssumption}
	if r.Always != nil {
		if !*r.Always {
			d.refute("false-schema", "", "a "+w.kinds.String()+" is admitted by the old schema and nothing is by the new one", "admit it")
		}
		return d.findings, d.low
	}
	for _, rule := range [...]func(){d.kind, d.enumeration, d.numbers, d.strings, d.object, d.array, d.combined, d.unknown} {
		rule()
		if len(d.findings) > 0 && c.quiet > 0 {
			break
		}
	}
	return d.findings, d.low
}

// derivation is the attempt to derive one schema of the reader's.
type derivation struct {
	*check
	w        *world
	r        *v5.Schema
	at       place
	findings []Finding
	low      int
}

// need requires s to admit all of w.
func (d *derivation) need(w *world, s *v5.Schema, at place) {
	findings, low := d.contains(w, s, at)
	d.findings = append(d.findings, findings...)
	d.low = min(d.low, low)
}

// can asks whether s admits all of w.
func (d *derivation) can(w *world, s *v5.Schema, at place) bool {
	ok, low := d.admits(w, s, at)
	if ok {
		d.low = min(d.low, low)
	}
	return ok
}

func (d *derivation) refute(rule, keyword, why, cure string) {
	d.findings = append(d.findings, d.finding(d.w, d.r, d.at, Incompatible, rule, keyword, why, cure)...)
}

func (d *derivation) stop(rule, keyword, why, cure string) {
	d.findings = append(d.findings, d.finding(d.w, d.r, d.at, Undecided, rule, keyword, why, cure)...)
}

// exhausted takes note of one more question.
func (c *check) exhausted() bool {
	c.spent += costQuestion
	c.toil(toilQuestion)
	return c.spent > budget
}

// key names a question. Worlds are equal when they are made of the same schemas.
func (c *check) key(w *world, r *v5.Schema) string {
	b := make([]byte, 0, 4*(len(w.all)+len(w.scope)+len(w.none)+4)+16*len(w.present))
	b = binary.BigEndian.AppendUint32(b, c.id(r))
	b = append(b, byte(w.kinds), boolByte(w.closed))
	b = c.appendIDs(b, w.all)
	b = c.appendIDs(b, w.none)
	if w.closed {
		b = c.appendIDs(b, w.scope)
		b = c.appendIDs(b, w.inert)
	}
	for _, d := range w.done {
		b = binary.BigEndian.AppendUint32(b, c.id(d.schema))
		b = append(b, byte(d.keyword))
	}
	for _, name := range w.present {
		b = append(b, 0xff)
		b = append(b, name...)
	}
	return string(b)
}

// appendIDs names a set of schemas, whatever their order.
func (c *check) appendIDs(b []byte, schemas []*v5.Schema) []byte {
	ids := make([]uint32, len(schemas))
	for i, s := range schemas {
		ids[i] = c.id(s)
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		b = binary.BigEndian.AppendUint32(b, id)
	}
	return binary.BigEndian.AppendUint32(b, 0)
}

func (c *check) id(s *v5.Schema) uint32 {
	id, ok := c.ids[s]
	if !ok {
		id = uint32(len(c.ids) + 1)
		c.ids[s] = id
	}
	return id
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// hush stands for findings that nobody asked to see.
const hush = "unproven"

func hushed(f Finding) bool { return f.Rule == hush }

func (c *check) finding(w *world, r *v5.Schema, at place, result Result, rule, keyword, why, cure string) []Finding {
	c.toil(toilFinding)
	if c.quiet > 0 {
		return []Finding{{Result: result, Rule: hush}}
	}
	writer := c.writer
	if len(w.all) > 0 {
		writer = w.all[0]
	}
	return []Finding{{
		Result: result, Rule: rule, Instance: at.instance, Why: why, Cure: cure,
		ReaderPointer: c.pointer(r, keyword),
		WriterPointer: c.pointer(writer, ""),
	}}
}

// pointer is where a schema was written. Parts of either side may be asked for
// from the other, so both are tried.
func (c *check) pointer(s *v5.Schema, keyword string) string {
	locate := c.locateReader
	if c.writers[s] {
		locate = c.locateWriter
	}
	origin, _ := locate(s.Location)
	p := origin.String()
	if keyword != "" {
		p += "/" + strings.ReplaceAll(keyword, "~", "~0")
	}
	return p
}

// relativize and relocate move findings from the place they were found at to
// another one with the same question.
func relativize(findings []Finding, at place) []Finding {
	out := slices.Clone(findings)
	for i := range out {
		out[i].Instance = strings.TrimPrefix(out[i].Instance, at.instance)
	}
	return out
}

func relocate(findings []Finding, at place) []Finding {
	out := slices.Clone(findings)
	for i := range out {
		out[i].Instance = at.instance + out[i].Instance
	}
	return out
}

func (c *check) tooComplex(w *world, r *v5.Schema, at place) []Finding {
	return c.finding(w, r, at, Undecided, "too-complex", "",
		"the schemas combine in too many ways to be compared", "use fewer nested anyOf and oneOf, and constants that tell their branches apart")
}

// byLocation orders schemas for a stable answer.
func byLocation(a, b *v5.Schema) int { return cmp.Compare(a.Location, b.Location) }
