/**
 * buf's configuration for lint and breaking changes; the buf.yaml of a checkout says the same to editors.
 *
 * JSON at rest: a rename breaks stored rows as surely as the wire. WIRE_JSON lets int32 become uint32 and a field gain or
 * lose presence; here the one changes a column's type (and -1 no longer parses), the other its expression and its NULLs,
 * so the strict rules take the place of the lenient ones.
 */
export const bufRules = {
  version: "v2",
  lint: {
    use: ["STANDARD"],
    except: [
      "SERVICE_SUFFIX",
      "RPC_REQUEST_STANDARD_NAME",
      "RPC_RESPONSE_STANDARD_NAME",
      "RPC_REQUEST_RESPONSE_UNIQUE",
    ],
  },
  breaking: {
    use: [
      "WIRE_JSON",
      "FIELD_SAME_TYPE",
      "FIELD_SAME_CARDINALITY",
      "ENUM_SAME_TYPE",
      "RPC_NO_DELETE",
      "PACKAGE_MESSAGE_NO_DELETE",
      "PACKAGE_ENUM_NO_DELETE",
      "PACKAGE_SERVICE_NO_DELETE",
      "PACKAGE_EXTENSION_NO_DELETE",
      "PACKAGE_NO_DELETE",
    ],
    except: ["FIELD_WIRE_JSON_COMPATIBLE_TYPE", "FIELD_WIRE_JSON_COMPATIBLE_CARDINALITY"],
  },
} as const;
