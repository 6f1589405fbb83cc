/** A FHIR R4 Patient as a hospital's system would send it. Synthetic: no such person. */
export const PATIENT = {
  resourceType: 'Patient',
  id: 'demo-0001',
  meta: { profile: ['http://hl7.org/fhir/StructureDefinition/Patient'] },
  identifier: [{ use: 'usual', system: 'urn:oid:1.2.36.146.595.217.0.1', value: 'DEMO-12345' }],
  active: true,
  name: [{ use: 'official', family: 'Muster-Günther', given: ['Erika', 'Zoë'] }],
  telecom: [{ system: 'phone', value: '(03) 5555 6473', use: 'work', rank: 1 }],
  gender: 'female',
  birthDate: '1974-12-25',
  address: [{ use: 'home', line: ['534 Erewhon St'], city: 'PleasantVille', postalCode: '3999' }],
  managingOrganization: { reference: 'Organization/1' },
};

/** An HL7 v2 admission, synthetic as well. */
export const ADMISSION = [
  'MSH|^~\\&|ADT1|HOSPITAL-B|LAB|HOSPITAL-A|20261124080000||ADT^A01|MSG00001|P|2.6',
  'EVN|A01|20261124080000',
  'PID|1||DEMO-98765^^^HB||Muster^Max||19800229|M',
  'PV1|1|I|2000^2012^01',
  '',
].join('\r');
