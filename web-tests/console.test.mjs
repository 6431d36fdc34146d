// All tests of the console, in one process: the demo's link logs its admin in once.

import './console-looks.mjs';
import './console-factor.mjs';
import './console-messages.mjs';
import './console-stories.mjs';
