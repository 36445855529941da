/* a file that includes itself twice, to a depth of 200 */
#include __FILE__
#include __FILE__
