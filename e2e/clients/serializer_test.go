//go:build cgo

package clients

import (
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/jsonschema"
)

// order is a message; the serializer makes its schema from it.
type order struct {
	ID    string `json:"id"`
	Lines int    `json:"lines" jsonschema:"minimum=1"`
}

// Guards against a registry with which Confluent's serializer cannot write what
// its deserializer reads.
func TestConfluentSerializer(t *testing.T) {
	c := confluent(t)
	topic := subject(t, "topic")
	for name, configure := range map[string]func(*jsonschema.SerializerConfig){
		"registers its schema":     func(c *jsonschema.SerializerConfig) { c.AutoRegisterSchemas, c.NormalizeSchemas = true, true },
		"looks its schema up":      func(c *jsonschema.SerializerConfig) { c.AutoRegisterSchemas, c.NormalizeSchemas = false, true },
		"takes the newest version": func(c *jsonschema.SerializerConfig) { c.AutoRegisterSchemas, c.UseLatestVersion = false, true },
		"validates what it writes": func(c *jsonschema.SerializerConfig) { c.EnableValidation, c.NormalizeSchemas = true, true },
	} {
		t.Run(name, func(t *testing.T) {
			if name != "registers its schema" {
				register(t, c, topic)
			}
			config := jsonschema.NewSerializerConfig()
			configure(config)
			serializer, err := jsonschema.NewSerializer(c, serde.ValueSerde, config)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = serializer.Close() }()
			data, err := serializer.Serialize(topic, &order{ID: "o-1", Lines: 2})
			if err != nil {
				t.Fatal(err)
			}
			deserializer, err := jsonschema.NewDeserializer(c, serde.ValueSerde, jsonschema.NewDeserializerConfig())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = deserializer.Close() }()
			var got order
			if err := deserializer.DeserializeInto(topic, data, &got); err != nil || got != (order{ID: "o-1", Lines: 2}) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// register registers the message's schema, as the serializer would.
func register(t *testing.T, c schemaregistry.Client, topic string) {
	t.Helper()
	config := jsonschema.NewSerializerConfig()
	config.AutoRegisterSchemas, config.NormalizeSchemas = true, true
	serializer, err := jsonschema.NewSerializer(c, serde.ValueSerde, config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = serializer.Close() }()
	if _, err := serializer.Serialize(topic, &order{ID: "o-0", Lines: 1}); err != nil {
		t.Fatal(err)
	}
}
