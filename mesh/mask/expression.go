package mask

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
)

// The bounds of an expression: the length of its text, and the cost of
// evaluating it once, in CEL's units (about one for each operation, element and
// ten characters).
const (
	maxExpression     = 4096
	maxExpressionCost = 50_000
)

// expression is a compiled CEL expression over a value and its event.
type expression struct{ program cel.Program }

// compileExpression compiles text; token makes the opaque token of a text.
func compileExpression(text string, token func(string) string) (*expression, error) {
	if len(text) > maxExpression {
		return nil, fmt.Errorf("it has %d bytes, and %d at most are compiled", len(text), maxExpression)
	}
	env, err := cel.NewEnv(
		cel.Variable("value", cel.DynType), cel.Variable("event", cel.DynType),
		cel.CustomTypeAdapter(decoded{types.DefaultTypeAdapter}), ext.Strings(), ext.Encoders(),
		cel.Function("token", cel.Overload("token_string", []*cel.Type{cel.StringType}, cel.StringType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			content, ok := v.(types.String)
			if !ok || token == nil {
				return types.NewErr("token is for texts")
			}
			return types.String(token(string(content)))
		}))),
	)
	if err != nil {
		return nil, fmt.Errorf("preparing expressions: %w", err)
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		var found []string
		for _, issue := range issues.Errors() {
			found = append(found, fmt.Sprintf("at %d:%d %s", issue.Location.Line(), issue.Location.Column()+1, strings.TrimSuffix(issue.Message, " (in container '')")))
		}
		return nil, errors.New(strings.Join(found, ", "))
	}
	switch kind := ast.OutputType().Kind(); kind {
	case types.StringKind, types.IntKind, types.UintKind, types.DoubleKind, types.BoolKind, types.DynKind:
	default:
		return nil, fmt.Errorf("it gives a %s, and a value is a text, a number, true or false", ast.OutputType())
	}
	program, err := env.Program(ast, cel.CostLimit(maxExpressionCost))
	if err != nil {
		return nil, fmt.Errorf("preparing it: %w", err)
	}
	return &expression{program}, nil
}

// readsEvent reports whether an expression may look at the event: it can't
// without naming it.
func readsEvent(text string) bool { return strings.Contains(text, "event") }

// makeComputed evaluates the rule's expression. Whatever goes wrong withholds:
// what CEL says of it may quote the event.
func makeComputed(f *Field, _ *Scratch, dst, text []byte, e *Event) ([]byte, error) {
	failed := func(why string) ([]byte, error) {
		return dst, &Refusal{Code: CodeExpression, Why: "the rule's expression " + why, Cure: "correct the expression: it must give a value of the same type for every event"}
	}
	if f.recipe.compute == nil {
		return dst, unfit(CEL, f.kind)
	}
	var value any = string(text)
	switch f.kind {
	case Number:
		value = json.Number(text)
	case Bool:
		value = string(text) == "true"
	default:
	}
	var event any
	if e != nil {
		event = e.Document
	}
	result, _, err := f.recipe.compute.program.Eval(map[string]any{"value": value, "event": event})
	if err != nil {
		return failed("failed for this event, or cost too much")
	}
	switch result := result.(type) {
	case types.String:
		if f.kind == String {
			return f.text(dst, []byte(result))
		}
	case types.Bool:
		if f.kind == Bool && (len(f.admitted) == 0 || len(f.admitted) == 2 || f.admitted[0] == strconv.FormatBool(bool(result))) {
			return strconv.AppendBool(dst, bool(result)), nil
		}
	case types.Int, types.Uint, types.Double:
		n, ok := exactly(result)
		if f.kind == Number && ok {
			if !f.admitsNumber(n) {
				return dst, unfit(CEL, f.kind)
			}
			return appendNumber(dst, n), nil
		}
	}
	return failed("gave a value of another type than the field's, a " + f.kind.String())
}

// exactly is a number as the shortest decimal that stands for it.
func exactly(v ref.Val) (*big.Rat, bool) {
	switch v := v.(type) {
	case types.Int:
		return new(big.Rat).SetInt64(int64(v)), true
	case types.Uint:
		return new(big.Rat).SetUint64(uint64(v)), true
	case types.Double:
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, false
		}
		return new(big.Rat).SetString(strconv.FormatFloat(float64(v), 'g', -1, 64))
	}
	return nil, false
}

// decoded lets CEL read a decoded JSON document, numbers included.
type decoded struct{ types.Adapter }

// NativeToValue converts a number to an int where it is one, else to a double.
func (d decoded) NativeToValue(value any) ref.Val {
	switch value := value.(type) {
	case json.Number:
		if n, err := value.Int64(); err == nil {
			return types.Int(n)
		}
		n, err := value.Float64()
		if err != nil {
			return types.NewErr("a number that is out of range")
		}
		return types.Double(n)
	case map[string]any:
		return types.NewStringInterfaceMap(d, value)
	case []any:
		return types.NewDynamicList(d, value)
	}
	return d.Adapter.NativeToValue(value)
}
