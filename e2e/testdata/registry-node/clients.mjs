// Uses a schema registry through the two npm clients that people have, and
// prints what they found as one line of JSON: node clients.mjs URL NAME
import confluent from "@confluentinc/schemaregistry";
import kafkajs from "@kafkajs/confluent-schema-registry";

const [url, name] = process.argv.slice(2);
const schema = (more = {}) => ({
  title: name,
  type: "object",
  properties: { id: { type: "string" }, lines: { type: "integer", minimum: 1 }, ...more },
  required: ["id"],
});
const value = { id: "o-1", lines: 2 };
const found = {};

// What a call is refused with.
const refusal = async (call) => {
  try {
    await call();
    return "not refused";
  } catch (e) {
    return { status: e.status, code: e.errorCode ?? e.code, message: e.message };
  }
};

{
  const registry = new kafkajs.SchemaRegistry({ host: url, retry: { retries: 0 } });
  const subject = `${name}.kafkajs`;
  const confluentSchema = { type: kafkajs.SchemaType.JSON, schema: JSON.stringify(schema()) };
  const { id } = await registry.register(confluentSchema, { subject });
  const again = await registry.register(confluentSchema, { subject });
  const decoded = await registry.decode(await registry.encode(id, value));
  found.kafkajs = {
    id,
    again: again.id,
    latest: await registry.getLatestSchemaId(subject),
    byVersion: await registry.getRegistryId(subject, 1),
    bySchema: await registry.getRegistryIdBySchema(subject, confluentSchema),
    decoded,
    incompatible: await refusal(() =>
      registry.register(
        { type: kafkajs.SchemaType.JSON, schema: JSON.stringify({ title: name, type: "string" }) },
        { subject },
      ),
    ),
    unknown: await refusal(() => registry.getLatestSchemaId(`${name}.nobody`)),
  };
}

{
  const client = confluent.SchemaRegistryClient.newClient({ baseURLs: [url] });
  const topic = `${name}.confluent`;
  const subject = `${topic}-value`;
  const info = { schemaType: "JSON", schema: JSON.stringify(schema()) };
  const id = await client.register(subject, info, true);
  const second = await client.registerFullResponse(subject, { ...info, schema: JSON.stringify(schema({ note: { type: "string" } })) }, true);
  const serializer = new confluent.JsonSerializer(client, confluent.SerdeType.VALUE, { useLatestVersion: true, validate: true });
  const deserializer = new confluent.JsonDeserializer(client, confluent.SerdeType.VALUE, {});
  const decoded = await deserializer.deserialize(topic, await serializer.serialize(topic, value));
  found.confluent = {
    id,
    second: second.version,
    bySchema: await client.getId(subject, info, true),
    version: await client.getVersion(subject, info, true),
    byID: (await client.getBySubjectAndId(subject, id)).schemaType,
    latest: (await client.getLatestSchemaMetadata(subject)).version,
    versions: await client.getAllVersions(subject),
    listed: (await client.getAllSubjects()).includes(subject),
    compatible: await client.testSubjectCompatibility(subject, info),
    incompatible: await client.testCompatibility(subject, 1, { schemaType: "JSON", schema: '{"type":"string"}' }),
    level: await client.updateCompatibility(subject, "FULL"),
    levelRead: await client.getCompatibility(subject),
    decoded,
    invalid: await refusal(() => serializer.serialize(topic, { id: 7 })),
    refused: await refusal(() => client.register(subject, { schemaType: "JSON", schema: '{"type":"string"}' }, false)),
    deleted: await client.deleteSubject(subject, false),
    deletedForGood: await client.deleteSubject(subject, true),
  };
  await client.close();
}

console.log(JSON.stringify(found));
