#include "programs/call_spec.h"

#include "runtime/error.h"

namespace torchsight {
namespace {

struct Tree {
  std::vector<std::string> keys;  // of the children, empty where they are only numbered
  std::vector<Json> children;
  bool leaf = false;
};

std::vector<std::string> keys_of(const Json& context) {
  if (const Json* inner = context.find("dict_context")) return keys_of(*inner);  // of a defaultdict
  std::vector<std::string> keys;
  if (!context.is_array()) return keys;
  for (const Json& key : context.as_array()) {
    keys.push_back(key.is_string() ? key.as_string() : key.dump());
  }
  return keys;
}

Tree tree_of(const Json& spec, const TupleFields& fields) {
  Tree tree;
  tree.children = spec.at("children_spec").as_array("children_spec");
  tree.leaf = spec.at("type").is_null();
  const Json& context = spec.at("context");
  if (tree.leaf || !context.is_string()) return tree;
  if (const auto named = fields.find(context.as_string()); named != fields.end()) {
    tree.keys = named->second;
  } else if (const auto& text = context.as_string();
             text.starts_with('[') || text.starts_with('{')) {
    tree.keys = keys_of(Json::parse(text, "context"));
  }
  if (tree.keys.size() != tree.children.size()) tree.keys.clear();
  return tree;
}

void add_leaves(const Json& spec, const TupleFields& fields, const std::string& name,
                std::vector<std::string>& names) {
  const Tree tree = tree_of(spec, fields);
  if (tree.leaf) {
    names.push_back(name);
    return;
  }
  for (size_t i = 0; i < tree.children.size(); ++i) {
    const std::string key = tree.keys.empty() ? std::to_string(i) : tree.keys[i];
    add_leaves(tree.children[i], fields, name + "." + key, names);
  }
}

// Runs `read` on the root of the tree; what is wrong with it is the package's fault.
template <typename Read>
std::vector<std::string> names_of(std::string_view text, Read read) {
  try {
    const Json spec = Json::parse(text, "call spec");
    const Json::Array& parts = spec.as_array("call spec");
    if (parts.size() != 2 || parts[0].as_int("version") != 1) {
      throw Error(ErrorCode::kBadInput, "expected version 1 of a call spec");
    }
    return read(parts[1]);
  } catch (const Error& error) {
    throw Error(ErrorCode::kBadCheckpoint,
                std::string("expected the program to tell its arguments: ") + error.what(),
                "CALL_SPEC");
  }
}

}  // namespace

std::vector<std::string> input_names(std::string_view text,
                                     const std::vector<std::string>& positional,
                                     const TupleFields& fields) {
  return names_of(text, [&](const Json& spec) {
    const Tree call = tree_of(spec, fields);
    if (call.children.size() != 2) {
      throw Error(ErrorCode::kBadInput, "expected positional and keyword arguments");
    }
    std::vector<std::string> names;
    const Tree arguments = tree_of(call.children[0], fields);
    for (size_t i = 0; i < arguments.children.size(); ++i) {
      const bool known = i < positional.size();
      add_leaves(arguments.children[i], fields,
                 known ? positional[i] : "input_" + std::to_string(i), names);
    }
    const Tree keywords = tree_of(call.children[1], fields);
    for (size_t i = 0; i < keywords.children.size(); ++i) {
      if (keywords.keys.empty()) throw Error(ErrorCode::kBadInput, "expected keywords by name");
      add_leaves(keywords.children[i], fields, keywords.keys[i], names);
    }
    return names;
  });
}

std::vector<std::string> output_names(std::string_view text, const TupleFields& fields) {
  return names_of(text, [&](const Json& spec) {
    const Tree results = tree_of(spec, fields);
    std::vector<std::string> names;
    if (results.leaf) return std::vector<std::string>{"output"};
    for (size_t i = 0; i < results.children.size(); ++i) {
      add_leaves(results.children[i], fields,
                 results.keys.empty() ? "output_" + std::to_string(i) : results.keys[i], names);
    }
    return names;
  });
}

}  // namespace torchsight
