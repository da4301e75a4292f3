# Forwards to CMakeLists.txt, the one description of the build, so that prebuildify can drive it.
# npm never sees this file in an installed package: package.json has "gypfile": false, and its
# "files" leave it out.
{
  "targets": [{
    "target_name": "torchsight",
    "type": "none",
    "actions": [{
      "action_name": "build by cmake-js",
      "inputs": ["CMakeLists.txt"],
      "outputs": ["<(PRODUCT_DIR)/torchsight.node"],
      "action": ["node", "scripts/bootstrap.mjs", "native"]
    }]
  }]
}
